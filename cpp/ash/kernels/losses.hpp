// losses.hpp: softmax with cross-entropy, and the regression losses, with their deltas.
//
// The sums of each row are chains of additions in column order, so their bits do not depend on the vector width. The
// regression losses add up one row at a time. The softmax adds up several rows at once, each in one lane of a SIMD
// register. To do so, it transposes its block.
// Cost: a softmax reads its block twice (three times if it has more than 16 columns) and writes it twice. It transposes
// the block back and forth in tiles of 64 x 16 on the stack.
// Included only by unit_*.cpp.
#pragma once

#include "ash/kernels/elementary.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/kernels/simd.hpp"
#include "ash/kernels/transpose.hpp"

namespace {

constexpr int64_t kTurnedRows = 64;
constexpr int64_t kTurnedColumns = 16;

// Four quantities of each row: the largest logit (top), the sum of exp(logit - top), the sum of the logits, and the
// logit of the label. With logits z, cross-entropy = log(sum) + top - (1 - smoothing) z[label] - smoothing * mean(z).
struct RowFacts {
    alignas(64) float tops[kTurnedRows];
    alignas(64) float sums[kTurnedRows];
    alignas(64) float totals[kTurnedRows];
    float targets[kTurnedRows];
};

// A transposed tile of logits: [kTurnedColumns][kTurnedRows]. Rows that fill up the last vector hold zeros; their
// results are never read.
struct Turned {
    alignas(64) float values[kTurnedColumns * kTurnedRows];

    explicit Turned(int64_t rows) {
        if (rows % kLanes == 0) return;
        for (int64_t c = 0; c < kTurnedColumns; ++c) store(values + c * kTurnedRows + rows / kLanes * kLanes, Floats{});
    }
    void load(const float* from, ash::Block block) { transpose(from, block, values, kTurnedRows); }
    void give(float* to, ash::Block block) const {
        transpose(values, {block.columns, block.rows, kTurnedRows}, to, block.stride);
    }
};

// Divides a block of at most 64 rows into tiles of up to 16 columns. Calls function(first column, the tile's Block) for
// each tile.
template <typename Function>
ASH_INLINE void for_squares(ash::Block block, Function function) {
    for (int64_t column = 0; column < block.columns; column += kTurnedColumns) {
        const int64_t left = block.columns - column;
        function(column, ash::Block{block.rows, left < kTurnedColumns ? left : kTurnedColumns, block.stride});
    }
}

ASH_INLINE void find_tops(const float* logits, ash::Block block, Turned& turned, RowFacts& facts) {
    for (int64_t r = 0; r < block.rows; r += kLanes) {
        store(facts.tops + r, broadcast(-3.4028234e38F));
        store(facts.totals + r, Floats{});
    }
    for_squares(block, [&](int64_t column, ash::Block square) {
        turned.load(logits + column, square);
        for (int64_t r = 0; r < block.rows; r += kLanes) {
            Floats top = load(facts.tops + r);
            Floats total = load(facts.totals + r);
            for (int64_t c = 0; c < square.columns; ++c) {
                const Floats z = load(turned.values + c * kTurnedRows + r);
                top = at_least(z, top);  // `top` may miss a NaN, but the sum of exponentials is NaN in that case
                total += z;
            }
            store(facts.tops + r, top);
            store(facts.totals + r, total);
        }
    });
}

ASH_INLINE void exponentiate(float* logits, ash::Block block, Turned& turned, RowFacts& facts) {
    for (int64_t r = 0; r < block.rows; r += kLanes) store(facts.sums + r, Floats{});
    for_squares(block, [&](int64_t column, ash::Block square) {
        if (block.columns > kTurnedColumns) turned.load(logits + column, square);
        for (int64_t r = 0; r < block.rows; r += kLanes) {
            const Floats top = load(facts.tops + r);
            Floats sum = load(facts.sums + r);
            for (int64_t c = 0; c < square.columns; ++c) {
                float* at = turned.values + c * kTurnedRows + r;
                const Floats e = exp_of_negative(load(at) - top);
                store(at, e);
                sum += e;
            }
            store(facts.sums + r, sum);
        }
        turned.give(logits + column, square);
    });
}

ASH_INLINE void cross_entropies(const RowFacts& facts, float smoothing, float* losses, ash::Block block) {
    const auto columns = static_cast<float>(block.columns);
    alignas(64) float logs[kTurnedRows];
    for (int64_t r = 0; r < block.rows; r += kLanes) store(logs + r, log(load(facts.sums + r)));
    for (int64_t r = 0; r < block.rows; ++r) {
        const float target = facts.targets[r];
        losses[r] = logs[r] + ((facts.tops[r] - target) + smoothing * (target - facts.totals[r] / columns));
    }
}

ASH_INLINE void softmax_block(float* logits, const int32_t* labels, float smoothing, float* losses, ash::Block block) {
    Turned turned(block.rows);
    RowFacts facts;
    for (int64_t r = 0; labels != nullptr && r < block.rows; ++r)
        facts.targets[r] = logits[r * block.stride + labels[r]];
    find_tops(logits, block, turned, facts);
    exponentiate(logits, block, turned, facts);
    for (int64_t r = 0; r < block.rows; ++r) {
        float* row = logits + r * block.stride;
        const Floats inverse = broadcast(1.0F / facts.sums[r]);
        for (int64_t i = 0; i < block.columns; i += kLanes) store(row + i, load(row + i) * inverse);
    }
    if (labels != nullptr) cross_entropies(facts, smoothing, losses, block);
}

void softmax(float* logits, const int32_t* labels, float smoothing, float* losses, ash::Block block) noexcept {
    for (int64_t first = 0; first < block.rows; first += kTurnedRows) {
        const int64_t left = block.rows - first;
        const ash::Block part{left < kTurnedRows ? left : kTurnedRows, block.columns, block.stride};
        softmax_block(logits + first * block.stride, labels == nullptr ? nullptr : labels + first, smoothing,
                      losses == nullptr ? nullptr : losses + first, part);
    }
}

// Returns the mask of the lanes of a vector at `column` that precede the padding.
ASH_INLINE Integers means_something(int64_t column, int64_t columns) {
    return lane_numbers() < static_cast<int32_t>(columns - column);
}

void softmax_delta(float* probabilities, const int32_t* labels, float smoothing, float scale,
                   ash::Block block) noexcept {
    const float rest = smoothing / static_cast<float>(block.columns);
    for (int64_t r = 0; r < block.rows; ++r) {
        float* row = probabilities + r * block.stride;
        for (int64_t i = 0; i < block.columns; i += kLanes) {
            // The label's column is found by a comparison. The alternative, subtracting from the label's float in
            // memory, would stall the load of the vector that contains this float, because that load would follow the
            // store immediately.
            const Integers hit = lane_numbers() == static_cast<int32_t>(labels[r] - i);
            const Floats error = load(row + i) - select(hit, broadcast(1.0F - smoothing), Floats{});
            const Floats delta = (error - rest) * scale;
            store(row + i, select(means_something(i, block.columns), delta, Floats{}));
        }
    }
}

void squared_error(float* outputs, const float* targets, float scale, float* losses, ash::Block block) noexcept {
    for (int64_t r = 0; r < block.rows; ++r) {
        float* row = outputs + r * block.stride;
        const float* target = targets + r * block.stride;
        float sum = 0.0F;
        for (int64_t c = 0; c < block.columns; ++c) {
            const float error = row[c] - target[c];
            sum += error * error;
            row[c] = error * scale;
        }
        losses[r] = sum;
    }
}

void pinball(float* outputs, const float* targets, float level, float scale, float* losses, ash::Block block) noexcept {
    for (int64_t r = 0; r < block.rows; ++r) {
        float* row = outputs + r * block.stride;
        const float* target = targets + r * block.stride;
        float sum = 0.0F;
        for (int64_t c = 0; c < block.columns; ++c) {
            const float error = row[c] - target[c];
            const float slope = error > 0.0F ? 1.0F - level : -level;
            sum += error * slope;
            row[c] = slope * scale;
        }
        losses[r] = sum;
    }
}

void poisson(float* outputs, const float* targets, float scale, float* losses, ash::Block block) noexcept {
    for (int64_t r = 0; r < block.rows; ++r) {
        float* row = outputs + r * block.stride;
        const float* target = targets + r * block.stride;
        float sum = 0.0F;
        for (int64_t i = 0; i < block.columns; i += kLanes) {
            const Floats z = load(row + i);
            const Floats t = load(target + i);
            const Floats mean = exp(z);
            alignas(64) float terms[kLanes];
            store(terms, mean - t * z);
            const int64_t left = block.columns - i;
            for (int64_t c = 0; c < (left < kLanes ? left : kLanes); ++c) sum += terms[c];
            store(row + i, select(means_something(i, block.columns), (mean - t) * scale, Floats{}));
        }
        losses[r] = sum;
    }
}

}  // namespace
