// Kernels for 64-bit ARM with products of int8 (dotprod).
#include "simd_neon.h"

#include "kernels_common.h"

namespace pq {
extern const Kernels kernels_neon;
constexpr Kernels kernels_neon = table("neon");
}  // namespace pq
