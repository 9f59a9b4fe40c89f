// The most int8 operations (a multiplication or an addition each) that one core can do in a second,
// to state a speed as a share of it: products of registers, nothing loaded or stored.
//
//   g++ -O2 -o build/peak engine/bench/peak.cpp && build/peak
//
// The best of many short runs counts: a busy neighbour on the same core takes half of it away.
#include <cpuid.h>

#include <chrono>
#include <cstdint>
#include <cstdio>

namespace {

constexpr int REPEATS = 500;

void vpdpbusd() {  // 12 sums of 64 products; each waits 5 cycles for its last value
  for (int i = 0; i < REPEATS; i++)
    __asm__ volatile(
        ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n\t"
        "vpdpbusd %%zmm13, %%zmm12, %%zmm\\sum\n\t"
        ".endr" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
              "xmm10", "xmm11");
}

bool has_vnni() {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 16 & 1) && (c >> 11 & 1);
}

}  // namespace

int main() {
  if (!has_vnni()) {
    fprintf(stderr, "this processor has no AVX-512 VNNI\n");
    return 1;
  }
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int run = 0; run < 100000; run++) {
    const auto start = Clock::now();
    vpdpbusd();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double rate = REPEATS * 12 * 64 * 2 / seconds;
    if (rate > best) best = rate;
  }
  printf("vpdpbusd: %.0f GOP/s\n", best / 1e9);
}
