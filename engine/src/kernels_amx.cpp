// Kernels for x86-64 with AVX-512 VNNI and AMX.
#define PQ_AMX
#include "simd_avx512.h"

#include "kernels_common.h"

namespace pq {
extern const Kernels kernels_amx;
constexpr Kernels kernels_amx = table("amx", 5e7);
}  // namespace pq
