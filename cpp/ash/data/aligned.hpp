// aligned.hpp: a block of floats, initially zero, that starts on a cache line and is owned by one object.
//
// Kernels load and store whole SIMD vectors without masks. So every row passed to them starts at a multiple of 64 bytes
// and is padded with zeros to a multiple of 16 floats. This layout is the same for every instruction set, so a
// candidate's state needs no conversion when another instruction set is used. The constructor throws std::bad_alloc for
// a size that is negative or too large for any memory.
// Threads: as thread-safe as std::vector. Cost: a new object takes one allocation and one pass that writes zeros.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <utility>

namespace ash {

inline constexpr std::size_t kAlignment = 64;
inline constexpr std::int64_t kLineFloats = 16;

class AlignedFloats {
  public:
    AlignedFloats() = default;
    explicit AlignedFloats(std::int64_t size) : size_(size), floats_(allocate(size)) {}
    AlignedFloats(const AlignedFloats& other) : AlignedFloats(other.size_) { std::copy_n(other.data(), size_, data()); }
    AlignedFloats& operator=(const AlignedFloats& other) {
        if (this == &other) return *this;
        if (size_ != other.size_) return *this = AlignedFloats(other);
        std::copy_n(other.data(), size_, data());
        return *this;
    }
    AlignedFloats(AlignedFloats&& other) noexcept { *this = std::move(other); }
    AlignedFloats& operator=(AlignedFloats&& other) noexcept {
        size_ = std::exchange(other.size_, 0);
        floats_ = std::move(other.floats_);
        return *this;
    }
    ~AlignedFloats() = default;

    float* data() { return floats_.get(); }
    const float* data() const { return floats_.get(); }
    std::int64_t size() const { return size_; }

  private:
    struct Free {
        void operator()(float* floats) const noexcept { ::operator delete(floats, std::align_val_t{kAlignment}); }
    };

    static float* allocate(std::int64_t size) {
        constexpr auto kMost = std::numeric_limits<std::ptrdiff_t>::max() / static_cast<std::int64_t>(sizeof(float));
        if (size < 0 || size > kMost) throw std::bad_array_new_length();
        if (size == 0) return nullptr;
        const auto bytes = static_cast<std::size_t>(size) * sizeof(float);
        auto* floats = static_cast<float*>(::operator new(bytes, std::align_val_t{kAlignment}));
        std::fill_n(floats, size, 0.0F);
        return floats;
    }

    std::int64_t size_ = 0;
    std::unique_ptr<float[], Free> floats_;
};

}  // namespace ash
