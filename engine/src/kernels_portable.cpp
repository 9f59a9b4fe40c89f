// Kernels for any machine.
#include "simd_portable.h"

#include "kernels_common.h"

namespace pq {
extern const Kernels kernels_portable;
constexpr Kernels kernels_portable = table("portable");
}  // namespace pq
