// Kernels for x86-64 with AVX-512 VNNI and bf16 products.
#define PQ_BF16
#include "simd_avx512.h"

#include "kernels_common.h"

namespace pq {
extern const Kernels kernels_avx512bf16;
constexpr Kernels kernels_avx512bf16 = table("avx512bf16");
}  // namespace pq
