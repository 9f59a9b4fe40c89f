// Kernels for x86-64 with AVX2 and FMA.
#include "simd_avx2.h"

#include "kernels_common.h"

namespace pq {
extern const Kernels kernels_avx2;
constexpr Kernels kernels_avx2 = table("avx2");
}  // namespace pq
