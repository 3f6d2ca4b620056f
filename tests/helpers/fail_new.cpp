// A library to be preloaded, in which the n-th call of operator new fails (tests/faults/test_refused_memory.py).
//
// Calls for 32 bytes or less do not count. With one of these pybind11 3.1 notes each object that Python makes; it does so
// outside of what catches exceptions (cpp_function::dispatcher, after the call of a constructor), so that a failure would
// end the process. tests/cpp/fail_allocations.cpp lets allocations of any size fail, without pybind11.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> until_failure{0};  // 0: never

void* allocate(std::size_t size, std::size_t alignment) {
    if (size > 32 && until_failure > 0 && until_failure-- == 1) throw std::bad_alloc();
    const std::size_t whole = (size + (size == 0) + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, whole);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

// Returns how many calls were still to come before one that fails.
extern "C" long fail_new_at(long n) { return until_failure.exchange(n); }

void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new[](std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t to) { return allocate(size, static_cast<std::size_t>(to)); }
void* operator new[](std::size_t size, std::align_val_t to) { return allocate(size, static_cast<std::size_t>(to)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
