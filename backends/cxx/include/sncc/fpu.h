// Denormal numbers as zero while a scope lasts: state that decays for long would otherwise slow each operation.
// The setting belongs to a thread, and comes back at the scope's end; a pool's tasks take over their caller's.
#pragma once

#if defined(__SSE__) || defined(_M_X64)
#include <xmmintrin.h>
#define SNCC_HAS_MXCSR 1
#endif

namespace sncc {

class FlushDenormals {
public:
#if defined(SNCC_HAS_MXCSR)
    explicit FlushDenormals(bool flush = true) : saved_(_mm_getcsr()) { _mm_setcsr((saved_ & ~both) | (flush ? both : 0u)); }
    // Only our two bits go back, so exceptions raised inside stay visible to the caller.
    ~FlushDenormals() { _mm_setcsr((_mm_getcsr() & ~both) | (saved_ & both)); }
    static bool is_on() { return (_mm_getcsr() & both) == both; }
#else
    explicit FlushDenormals(bool = true) {}
    ~FlushDenormals() {}
    static bool is_on() { return false; }
#endif
    FlushDenormals(const FlushDenormals&) = delete;
    FlushDenormals& operator=(const FlushDenormals&) = delete;

private:
#if defined(SNCC_HAS_MXCSR)
    static constexpr unsigned flush_to_zero = 0x8000;
    static constexpr unsigned denormals_are_zero = 0x0040;
    static constexpr unsigned both = flush_to_zero | denormals_are_zero;
    unsigned saved_;
#endif
};

}  // namespace sncc
