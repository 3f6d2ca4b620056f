// A preloaded library in which the n-th call of operator new fails, for tests/faults/test_refused_memory.py.
//
// Calls for 32 bytes or less do not count. pybind11 3.1 makes such a call to register each object that Python creates.
// This happens outside of its exception handler (in cpp_function::dispatcher, after a constructor's call), so a failure
// would end the process. tests/cpp/fail_allocations.cpp lets allocations of any size fail, without pybind11.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> until_failure{0};  // 0 if no call is to fail

void* allocate(std::size_t size, std::size_t alignment) {
    if (size > 32 && until_failure > 0 && until_failure-- == 1) throw std::bad_alloc();
    const std::size_t whole = (size + (size == 0) + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, whole);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

// Lets the n-th call from now fail, and returns the previous countdown: 0 if the planned failure has happened.
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
