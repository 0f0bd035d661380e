// A fiber: a stack of its own and a place to go on at. One runs at a time; it hands over to the scheduler and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace sncc_emulation {

#if defined(__x86_64__)
// Saves the callee's registers on the old stack, its pointer in *from, and goes on at the stack `to`.
extern "C" void sncc_emulation_switch(void** from, void* to) __attribute__((visibility("hidden")));
#endif

class Fiber {
public:
    using Entry = void (*)(void*);

    static constexpr std::size_t stack_bytes = 64 * 1024;

    void prepare(char* stack, Entry entry, void* argument) {
        stack_ = stack;
#if defined(__x86_64__)
        // As if `start` had been left by a switch: six registers, then the address to return to.
        std::uintptr_t top = (reinterpret_cast<std::uintptr_t>(stack) + stack_bytes) & ~std::uintptr_t(15);
        void** frame = reinterpret_cast<void**>(top) - 8;
        for (int k = 0; k < 6; ++k) frame[k] = nullptr;
        frame[6] = reinterpret_cast<void*>(&Fiber::start);
        frame[7] = nullptr;
        pointer_ = frame;
        entry_ = entry;
        argument_ = argument;
#else
        getcontext(&context_);
        context_.uc_stack.ss_sp = stack;
        context_.uc_stack.ss_size = stack_bytes;
        context_.uc_link = nullptr;
        entry_ = entry;
        argument_ = argument;
        makecontext(&context_, reinterpret_cast<void (*)()>(&Fiber::start), 0);
#endif
    }

    // From the scheduler into this fiber, until it leaves.
    void enter() {
        current() = this;
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_start_switch_fiber(&scheduler_fake_, stack_, stack_bytes);
#endif
#if defined(__x86_64__)
        sncc_emulation_switch(&scheduler_, pointer_);
#else
        swapcontext(&scheduler_context_, &context_);
#endif
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(scheduler_fake_, nullptr, nullptr);
#endif
    }

    // From this fiber back to the scheduler; `last`: it never runs again.
    void leave(bool last = false) {
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_start_switch_fiber(last ? nullptr : &fake_, scheduler_stack_, scheduler_bytes_);
#else
        static_cast<void>(last);
#endif
#if defined(__x86_64__)
        sncc_emulation_switch(&pointer_, scheduler_);
#else
        swapcontext(&context_, &scheduler_context_);
#endif
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(fake_, &scheduler_stack_, &scheduler_bytes_);
#endif
    }

private:
    static Fiber*& current() {
        static Fiber* fiber = nullptr;
        return fiber;
    }
    static void start() {
        Fiber* const self = current();
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(nullptr, &self->scheduler_stack_, &self->scheduler_bytes_);
#endif
        self->entry_(self->argument_);
        self->leave(true);
        std::abort();
    }

    char* stack_ = nullptr;
    Entry entry_ = nullptr;
    void* argument_ = nullptr;
#if defined(__x86_64__)
    void* pointer_ = nullptr;
    void* scheduler_ = nullptr;
#else
    ucontext_t context_, scheduler_context_;
#endif
#if defined(__SANITIZE_ADDRESS__)
    void* fake_ = nullptr;
    void* scheduler_fake_ = nullptr;
    const void* scheduler_stack_ = nullptr;
    std::size_t scheduler_bytes_ = 0;
#endif
};

}  // namespace sncc_emulation
