#include "spans.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace pq {

namespace {

constexpr double NEVER = -std::numeric_limits<double>::infinity();

double log_sum_exp(const std::vector<double>& logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - highest);
  return highest + std::log(sum);
}

}  // namespace

pq_status find_spans(const pq_place& place, const int32_t* offsets, const float* start,
                     const float* end, int32_t longest, int32_t most, pq_span* spans,
                     pq_found* found) {
  const int32_t count = place.count;
  found->spans = 0;
  found->null_start = start[place.null_index];
  found->null_end = end[place.null_index];
  found->log_mass = NEVER;
  bool finite = std::isfinite(found->null_start) && std::isfinite(found->null_end);
  bool any = false;
  std::vector<double> starts(count), ends(count);
  for (int32_t i = 0; i < count; i++) {
    const float first = start[place.first + i], last = end[place.first + i];
    finite = finite && std::isfinite(first) && std::isfinite(last);
    // A token without characters can neither start nor end an answer.
    const bool empty = offsets[2 * i] >= offsets[2 * i + 1];
    any = any || !empty;
    starts[i] = empty ? NEVER : double(first);
    ends[i] = empty ? NEVER : double(last);
  }
  if (!finite) return PQ_BROKEN;
  if (!any) return PQ_OK;
  found->log_mass = log_sum_exp(starts) + log_sum_exp(ends);

  // Of the spans that start at each token, the highest sum.
  std::vector<double> best = ends;
  const int32_t length = std::min(longest, count);
  for (int32_t more = 1; more < length; more++)
    for (int32_t i = 0; i + more < count; i++)
      best[i] = best[i] < ends[i + more] ? ends[i + more] : best[i];
  for (int32_t i = 0; i < count; i++) best[i] += starts[i];

  // No span may reach a border: pairs of the first and last token of a span that was found.
  std::vector<int32_t> borders = {-1, count};
  while (found->spans < most) {
    const auto first = int32_t(std::max_element(best.begin(), best.end()) - best.begin());
    if (best[first] == NEVER) break;
    const auto border = std::upper_bound(borders.begin(), borders.end(), first);
    const auto from = ends.begin() + first;
    const auto last =
        first + int32_t(std::max_element(from, from + std::min(length, *border - first)) - from);
    spans[found->spans++] = {offsets[2 * first], offsets[2 * last + 1],
                             start[place.first + first], end[place.first + last]};
    // No span starts inside the one that was found, and those that start before it end there.
    std::fill(best.begin() + first, best.begin() + last + 1, NEVER);
    const int32_t row = std::max(first - length + 1, *(border - 1) + 1);
    double highest = NEVER;
    for (int32_t i = first - 1; i >= row; i--) {
      highest = std::max(highest, ends[i]);
      best[i] = starts[i] + highest;
    }
    const int32_t inner[] = {first, last};
    borders.insert(border, inner, inner + 2);
  }
  return PQ_OK;
}

}  // namespace pq
