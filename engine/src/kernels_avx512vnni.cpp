// Kernels for x86-64 with AVX-512 VNNI.
#include "simd_avx512.h"

#include "kernels_common.h"

namespace pq {
extern const Kernels kernels_avx512vnni;
constexpr Kernels kernels_avx512vnni = table("avx512vnni");
}  // namespace pq
