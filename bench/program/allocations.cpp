#include "allocations.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> counting{false};
std::atomic<std::int64_t> calls{0};
std::atomic<std::int64_t> bytes{0};
std::atomic<std::int64_t> live{0};
std::atomic<std::int64_t> peak{0};

// Stands right before each block.
struct alignas(std::max_align_t) Header {
    std::int64_t counted;  // bytes; 0: nobody counted
};

// From the start of the memory to the block.
std::size_t lead(std::size_t alignment) { return std::max(alignment, sizeof(Header)); }

void count(std::int64_t size) {
    calls.fetch_add(1, std::memory_order_relaxed);
    bytes.fetch_add(size, std::memory_order_relaxed);
    const std::int64_t now = live.fetch_add(size, std::memory_order_relaxed) + size;
    std::int64_t most = peak.load(std::memory_order_relaxed);
    while (now > most && !peak.compare_exchange_weak(most, now, std::memory_order_relaxed)) continue;
}

void* allocate(std::size_t size, std::size_t alignment) {
    const std::size_t whole =
        (lead(alignment) + std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
    auto* memory = whole < size ? nullptr : static_cast<std::byte*>(std::aligned_alloc(alignment, whole));
    if (memory == nullptr) throw std::bad_alloc();
    const auto counted = counting.load(std::memory_order_relaxed) ? static_cast<std::int64_t>(size) : 0;
    if (counted > 0) count(counted);
    std::byte* block = memory + lead(alignment);
    ::new (block - sizeof(Header)) Header{counted};
    return block;
}

void release(void* block, std::size_t alignment) noexcept {
    if (block == nullptr) return;
    auto* end = static_cast<std::byte*>(block);
    live.fetch_sub(reinterpret_cast<Header*>(end - sizeof(Header))->counted, std::memory_order_relaxed);
    std::free(end - lead(alignment));
}

constexpr std::size_t kUsual = alignof(std::max_align_t);

std::size_t number(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

}  // namespace

namespace ash::bench {

void start_counting() {
    for (auto* counter : {&calls, &bytes, &live, &peak}) *counter = 0;
    counting = true;
}

Allocated stop_counting() {
    counting = false;
    return {.calls = calls, .bytes = bytes, .peak_bytes = peak, .live_bytes = live};
}

}  // namespace ash::bench

// The forms with nothrow, which the standard library makes of these, are theirs.
void* operator new(std::size_t size) { return allocate(size, kUsual); }
void* operator new[](std::size_t size) { return allocate(size, kUsual); }
void* operator new(std::size_t size, std::align_val_t alignment) { return allocate(size, number(alignment)); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return allocate(size, number(alignment)); }
void operator delete(void* block) noexcept { release(block, kUsual); }
void operator delete[](void* block) noexcept { release(block, kUsual); }
void operator delete(void* block, std::size_t) noexcept { release(block, kUsual); }
void operator delete[](void* block, std::size_t) noexcept { release(block, kUsual); }
void operator delete(void* block, std::align_val_t alignment) noexcept { release(block, number(alignment)); }
void operator delete[](void* block, std::align_val_t alignment) noexcept { release(block, number(alignment)); }
void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
    release(block, number(alignment));
}
void operator delete[](void* block, std::size_t, std::align_val_t alignment) noexcept {
    release(block, number(alignment));
}
