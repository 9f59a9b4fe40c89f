// Which kernels this machine can run.
#include "kernels.h"

#if defined(PQ_X86)
#include <cpuid.h>
#endif

namespace pq {

extern const Kernels kernels_portable;

#if defined(PQ_X86)
extern const Kernels kernels_avx2, kernels_avxvnni, kernels_avx512vnni, kernels_avx512bf16;

namespace {

struct Cpu {
  bool avx2 = false, avxvnni = false, avx512vnni = false, avx512bf16 = false, intel = false;

  Cpu() {
    unsigned a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d)) return;
    intel = b == signature_INTEL_ebx;
    if (!__get_cpuid_count(1, 0, &a, &b, &c, &d)) return;
    const bool fma = c >> 12 & 1, saves = c >> 27 & 1;  // saves: the system keeps vector registers
    if (!saves) return;
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    const bool ymm = (low & 0x06) == 0x06, zmm = (low & 0xe6) == 0xe6;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    avx2 = ymm && fma && (b >> 5 & 1);
    const bool f = b >> 16 & 1, dq = b >> 17 & 1, bw = b >> 30 & 1, vl = b >> 31 & 1;
    avx512vnni = avx2 && zmm && f && dq && bw && vl && (c >> 11 & 1);
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return;
    avxvnni = avx2 && (a >> 4 & 1);
    avx512bf16 = avx512vnni && (a >> 5 & 1);
  }
};

}  // namespace
#endif

const Kernels* const* available_kernels() {
  struct List {
    const Kernels* kernels[6] = {};

    List() {
      const Kernels** next = kernels;
#if defined(PQ_X86)
      const Cpu cpu;
      // AMD multiplies bf16 twice as fast as floats, Intel half as fast (124 and 249 GFLOP/s a core).
      if (cpu.avx512bf16 && !cpu.intel) *next++ = &kernels_avx512bf16;
      if (cpu.avx512vnni) *next++ = &kernels_avx512vnni;
      if (cpu.avx512bf16 && cpu.intel) *next++ = &kernels_avx512bf16;
      if (cpu.avxvnni) *next++ = &kernels_avxvnni;
      if (cpu.avx2) *next++ = &kernels_avx2;
#endif
      *next = &kernels_portable;
    }
  };
  static const List list;
  return list.kernels;
}

}  // namespace pq
