// The best spans of one window. Knows logits and places, not models.
#pragma once

#include <cstdint>

#include "pullquote.h"

namespace pq {

// What `pq_find` says about a window, from the logits of its tokens and the offsets of its context
// tokens. PQ_BROKEN where a logit that counts is not finite.
pq_status find_spans(const pq_place& place, const int32_t* offsets, const float* start,
                     const float* end, int32_t longest, int32_t most, pq_span* spans,
                     pq_found* found);

}  // namespace pq
