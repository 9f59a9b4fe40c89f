// Kernels for x86-64 with AVX2 and AVX-VNNI.
#define PQ_AVXVNNI
#include "simd_avx2.h"

#include "kernels_common.h"

namespace pq {
extern const Kernels kernels_avxvnni;
constexpr Kernels kernels_avxvnni = table("avxvnni");
}  // namespace pq
