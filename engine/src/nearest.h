// The rows of a matrix whose products with a query are largest. Knows integers, not models.
#pragma once

#include <vector>

#include "kernels.h"
#include "pullquote.h"

namespace pq {

// See `pq_nearest`. Raises `Invalid`.
std::vector<pq_near> nearest(const pq_nearest_request& request, const Kernels& kernels);

}  // namespace pq
