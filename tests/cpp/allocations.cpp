#include "allocations.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

thread_local std::int64_t count = 0;
thread_local std::int64_t bytes = 0;
std::atomic<std::int64_t> live{0};
std::atomic<std::int64_t> until_failure{0};  // 0 if no allocation is to fail

#if defined(_WIN32)  // Windows has no std::aligned_alloc
void* aligned_memory(std::size_t alignment, std::size_t size) { return _aligned_malloc(size, alignment); }
void free_aligned(void* memory) { _aligned_free(memory); }
#else
void* aligned_memory(std::size_t alignment, std::size_t size) { return std::aligned_alloc(alignment, size); }
void free_aligned(void* memory) { std::free(memory); }
#endif

void* allocate(std::size_t size, std::size_t alignment) {
    ++count;
    bytes += static_cast<std::int64_t>(size);
    if (until_failure > 0 && until_failure-- == 1) throw std::bad_alloc();
    const std::size_t whole = (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
    void* memory = aligned_memory(alignment, whole);
    if (memory == nullptr) throw std::bad_alloc();
    ++live;
    return memory;
}

void release(void* memory) {
    if (memory != nullptr) --live;
    free_aligned(memory);
}

}  // namespace

namespace ash::testing {

std::int64_t allocations() { return count; }
std::int64_t allocated_bytes() { return bytes; }
std::int64_t live_allocations() { return live; }
bool fail_at(std::int64_t n) { return until_failure.exchange(n) > 0; }

}  // namespace ash::testing

void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new[](std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
