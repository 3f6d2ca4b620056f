#include "ash/train/digest.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>

namespace ash {
namespace {

constexpr std::uint64_t kPrime1 = 0x9E3779B185EBCA87U;
constexpr std::uint64_t kPrime2 = 0xC2B2AE3D27D4EB4FU;
constexpr std::uint64_t kPrime3 = 0x165667B19E3779F9U;
constexpr std::uint64_t kPrime4 = 0x85EBCA77C2B2AE63U;
constexpr std::uint64_t kPrime5 = 0x27D4EB2F165667C5U;
constexpr std::size_t kStripe = 8;  // floats per stripe

std::uint64_t low(const float* value) { return std::bit_cast<std::uint32_t>(*value); }

std::uint64_t word(const float* pair) {
    const auto bits = std::bit_cast<std::uint64_t>(std::array{pair[0], pair[1]});
    return std::endian::native == std::endian::little ? bits : std::rotl(bits, 32);
}

std::uint64_t taken_in(std::uint64_t lane, std::uint64_t word) {
    return std::rotl(lane + word * kPrime2, 31) * kPrime1;
}

std::uint64_t word(const double* value) {
    constexpr std::uint64_t kNan = 0x7FF8000000000000U;
    return std::isnan(*value) ? kNan : std::bit_cast<std::uint64_t>(*value + 0.0);
}

using Lanes = std::array<std::uint64_t, 4>;

constexpr Lanes kFirstLanes{kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};

// Mixes stripes of four words into the four lanes of the hash, one word per lane. REQUIRES: the values are whole
// stripes.
template <typename Value>
void take_in(Lanes& lanes, const Value* values, const Value* end) {
    constexpr std::size_t kWord = sizeof(std::uint64_t) / sizeof(Value);
    for (; values != end; values += lanes.size() * kWord) {
        for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i] = taken_in(lanes[i], word(values + kWord * i));
    }
}

std::uint64_t merged(const Lanes& lanes) {
    std::uint64_t hash =
        std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
    for (const std::uint64_t lane : lanes) hash = (hash ^ taken_in(0, lane)) * kPrime1 + kPrime4;
    return hash;
}

// Returns the hash of values that are a whole number of stripes.
template <typename Value>
std::uint64_t stripes(const Value* values, const Value* end) {
    Lanes lanes = kFirstLanes;
    take_in(lanes, values, end);
    return merged(lanes);
}

std::uint64_t scattered(std::uint64_t hash) {
    hash = (hash ^ hash >> 33) * kPrime2;
    hash = (hash ^ hash >> 29) * kPrime3;
    return hash ^ hash >> 32;
}

}  // namespace

std::uint64_t digest(std::span<const double> values) {
    const std::size_t whole = values.size() / 4 * 4;
    const double* value = values.data();
    const double* end = value + values.size();
    std::uint64_t hash = whole > 0 ? stripes(value, value + whole) : kPrime5;
    hash += values.size_bytes();
    for (value += whole; value != end; ++value)
        hash = std::rotl(hash ^ taken_in(0, word(value)), 27) * kPrime1 + kPrime4;
    return scattered(hash);
}

Lanes DigestOfParts::first_lanes() { return kFirstLanes; }

void DigestOfParts::add(std::span<const float> values) {
    take_in(lanes_, values.data(), values.data() + values.size());
    bytes_ += values.size_bytes();
}

std::uint64_t DigestOfParts::digest() const { return scattered((bytes_ > 0 ? merged(lanes_) : kPrime5) + bytes_); }

std::uint64_t digest(std::span<const float> values) {
    const std::size_t whole = values.size() / kStripe * kStripe;
    const float* value = values.data();
    const float* end = value + values.size();
    std::uint64_t hash = whole > 0 ? stripes(value, value + whole) : kPrime5;
    hash += values.size_bytes();
    for (value += whole; end - value >= 2; value += 2) {
        hash = std::rotl(hash ^ taken_in(0, word(value)), 27) * kPrime1 + kPrime4;
    }
    if (value != end) hash = std::rotl(hash ^ low(value) * kPrime1, 23) * kPrime2 + kPrime3;
    return scattered(hash);
}

}  // namespace ash
