// Counts the bytes that operator new allocates. bench/tables/memory.py compiles this and preloads it into Python.
//
// The held bytes are the sizes of blocks not yet freed (as malloc rounds them up), minus their sum when counting began.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> counting{false};
std::atomic<std::int64_t> bytes{0};
std::atomic<std::int64_t> held{0};
std::atomic<std::int64_t> peak{0};

void* allocate(std::size_t size, std::size_t alignment) {
    const std::size_t whole = (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
    void* block = whole < size ? nullptr : std::aligned_alloc(alignment, whole);
    if (block == nullptr) throw std::bad_alloc();
    if (!counting) return block;
    bytes += static_cast<std::int64_t>(size);
    const auto usable = static_cast<std::int64_t>(malloc_usable_size(block));
    const std::int64_t now = held.fetch_add(usable) + usable;
    std::int64_t most = peak;
    while (now > most && !peak.compare_exchange_weak(most, now)) continue;
    return block;
}

void release(void* block) noexcept {
    if (counting && block != nullptr) held -= static_cast<std::int64_t>(malloc_usable_size(block));
    std::free(block);
}

constexpr std::size_t kUsual = alignof(std::max_align_t);

std::size_t number(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

}  // namespace

extern "C" {

void count_start() {
    for (auto* counter : {&bytes, &held, &peak}) *counter = 0;
    counting = true;
}

void count_stop() { counting = false; }
std::int64_t count_bytes() { return bytes; }
std::int64_t count_peak() { return peak; }
}

// The nothrow forms of the standard library call these functions, so they need no replacement.
void* operator new(std::size_t size) { return allocate(size, kUsual); }
void* operator new[](std::size_t size) { return allocate(size, kUsual); }
void* operator new(std::size_t size, std::align_val_t alignment) { return allocate(size, number(alignment)); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return allocate(size, number(alignment)); }
void operator delete(void* block) noexcept { release(block); }
void operator delete[](void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }
void operator delete[](void* block, std::size_t) noexcept { release(block); }
void operator delete(void* block, std::align_val_t) noexcept { release(block); }
void operator delete[](void* block, std::align_val_t) noexcept { release(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { release(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { release(block); }
