// CUDA's arithmetic that C++ has under other names: bits, conversions, read-only loads.
#pragma once

#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

// emitted code uses these unqualified, as CUDA allows
using std::isfinite;
using std::isinf;
using std::isnan;

namespace sncc_emulation {
template <class To, class From>
inline To reinterpret(From value) {
    static_assert(sizeof(To) == sizeof(From), "same size");
    To result;
    std::memcpy(&result, &value, sizeof result);
    return result;
}
}  // namespace sncc_emulation

inline int __popc(unsigned int x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned int)x); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll((unsigned long long)x); }
inline unsigned int __brev(unsigned int x) {
    unsigned int result = 0;
    for (int bit = 0; bit < 32; ++bit) result |= ((x >> bit) & 1u) << (31 - bit);
    return result;
}

inline int __float_as_int(float x) { return sncc_emulation::reinterpret<int>(x); }
inline unsigned int __float_as_uint(float x) { return sncc_emulation::reinterpret<unsigned int>(x); }
inline float __int_as_float(int x) { return sncc_emulation::reinterpret<float>(x); }
inline float __uint_as_float(unsigned int x) { return sncc_emulation::reinterpret<float>(x); }
inline long long __double_as_longlong(double x) { return sncc_emulation::reinterpret<long long>(x); }
inline double __longlong_as_double(long long x) { return sncc_emulation::reinterpret<double>(x); }

namespace sncc_emulation {
__attribute__((visibility("hidden"))) void read_only(const void* address, std::size_t bytes);

// CUDA's conversions saturate and turn NaN into zero; C++ leaves both undefined.
template <class Integer>
inline Integer saturated(double x) {
    if (x != x) return 0;
    const double lowest = (double)(sizeof(Integer) == 4 ? (long long)INT_MIN : LLONG_MIN);
    if (x <= lowest) return (Integer)lowest;
    if (x >= -lowest) return (Integer)(sizeof(Integer) == 4 ? (long long)INT_MAX : LLONG_MAX);
    return (Integer)x;
}
}  // namespace sncc_emulation

inline int __float2int_rn(float x) { return sncc_emulation::saturated<int>(std::nearbyint((double)x)); }
inline int __float2int_rz(float x) { return sncc_emulation::saturated<int>(std::trunc((double)x)); }
inline int __float2int_rd(float x) { return sncc_emulation::saturated<int>(std::floor((double)x)); }
inline int __float2int_ru(float x) { return sncc_emulation::saturated<int>(std::ceil((double)x)); }
inline int __double2int_rn(double x) { return sncc_emulation::saturated<int>(std::nearbyint(x)); }
inline long long __float2ll_rn(float x) { return sncc_emulation::saturated<long long>(std::nearbyint((double)x)); }
inline long long __double2ll_rn(double x) { return sncc_emulation::saturated<long long>(std::nearbyint(x)); }
inline float __int2float_rn(int x) { return (float)x; }
inline float __uint2float_rn(unsigned int x) { return (float)x; }

inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }

inline unsigned int __umulhi(unsigned int a, unsigned int b) { return (unsigned int)(((unsigned long long)a * b) >> 32); }
inline int __mulhi(int a, int b) { return (int)(((long long)a * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}

#define SNCC_EMULATION_MINMAX(type)                              \
    inline type min(type a, type b) { return b < a ? b : a; }    \
    inline type max(type a, type b) { return a < b ? b : a; }
SNCC_EMULATION_MINMAX(int)
SNCC_EMULATION_MINMAX(unsigned int)
SNCC_EMULATION_MINMAX(long)
SNCC_EMULATION_MINMAX(unsigned long)
SNCC_EMULATION_MINMAX(long long)
SNCC_EMULATION_MINMAX(unsigned long long)
#undef SNCC_EMULATION_MINMAX
// the floating forms return the number where the other is NaN, as CUDA's do
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }

// What a kernel reads so it may not have written: its loads go by a cache that no barrier brings up to date.
template <class T>
inline T __ldg(const T* pointer) {
#ifdef __SANITIZE_THREAD__
    sncc_emulation::read_only(pointer, sizeof(T));
#endif
    return *pointer;
}
template <class T> inline T __ldcg(const T* pointer) { return *pointer; }
template <class T> inline T __ldcs(const T* pointer) { return *pointer; }
template <class T> inline void __stcg(T* pointer, T value) { *pointer = value; }
template <class T> inline void __stcs(T* pointer, T value) { *pointer = value; }
