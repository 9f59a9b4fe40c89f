// Which kernels this machine can run.
#include "kernels.h"

#if defined(PQ_X86)
#include <cpuid.h>
#if defined(PQ_HAS_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(PQ_ARM) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace pq {

extern const Kernels kernels_portable;

#if defined(PQ_X86)
extern const Kernels kernels_avx2, kernels_avxvnni, kernels_avx512vnni, kernels_amx;

namespace {

// Linux gives a process the memory for tile registers when it asks for it.
bool may_use_tiles() {
#if defined(PQ_HAS_AMX)
  constexpr long ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18;
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
#else
  return false;
#endif
}

struct Cpu {
  bool avx2 = false, avxvnni = false, avx512vnni = false, amx = false;

  Cpu() {
    unsigned a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d)) return;
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
    const bool tiles = (low & 0x60000) == 0x60000 && (d >> 24 & 1) && (d >> 25 & 1);
    amx = avx512vnni && tiles && may_use_tiles();
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return;
    avxvnni = avx2 && (a >> 4 & 1);
  }
};

}  // namespace
#elif defined(PQ_ARM)
extern const Kernels kernels_neon;

namespace {

bool has_dotprod() {
#if defined(__linux__)
  constexpr unsigned long ASIMDDP = 1ul << 20;
  return getauxval(AT_HWCAP) & ASIMDDP;
#elif defined(__APPLE__)
  return true;  // since the first M1
#else
  return false;
#endif
}

}  // namespace
#endif

const Kernels* const* available_kernels() {
  struct List {
    const Kernels* kernels[6] = {};

    List() {
      const Kernels** next = kernels;
#if defined(PQ_X86)
      const Cpu cpu;
#if defined(PQ_HAS_AMX)
      if (cpu.amx) *next++ = &kernels_amx;
#endif
#if defined(PQ_HAS_AVX512VNNI)
      if (cpu.avx512vnni) *next++ = &kernels_avx512vnni;
#endif
#if defined(PQ_HAS_AVXVNNI)
      if (cpu.avxvnni) *next++ = &kernels_avxvnni;
#endif
#if defined(PQ_HAS_AVX2)
      if (cpu.avx2) *next++ = &kernels_avx2;
#endif
#elif defined(PQ_ARM)
      if (has_dotprod()) *next++ = &kernels_neon;
#endif
      *next = &kernels_portable;
    }
  };
  static const List list;
  return list.kernels;
}

}  // namespace pq
