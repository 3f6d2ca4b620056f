// sparse_rows.hpp: stores the features of rows that are mostly zeros as their non-zero cells.
//
//     row r     values[i] in column columns[i] for first[r] <= i < first[r] + size[r]; 0 in all other columns
//
// Rows may be stored in any order, each once. They are expanded one block at a time. All computations use dense rows,
// so results do not depend on how the rows are stored.
// Threads: once all rows are stored, any number of threads may expand rows at the same time.
// Memory:  8 bytes per non-zero cell, 12 per row.
// Cost:    expand() writes whole rows: first zeros, then the cells.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace ash {

struct SparseRows {
    std::vector<std::int64_t> first;  // [rows]: index of the first cell of each row; empty if rows are stored densely
    std::vector<std::uint32_t> size;  // [rows]: number of cells of each row
    std::vector<std::uint32_t> columns;
    std::vector<float> values;

    SparseRows() = default;
    // Reserves memory for `cells` cells. If there are more, a larger block is allocated and all cells are moved there.
    explicit SparseRows(std::int64_t rows, std::int64_t cells = 0)
        : first(static_cast<std::size_t>(rows)), size(static_cast<std::size_t>(rows)) {
        columns.reserve(static_cast<std::size_t>(cells));
        values.reserve(static_cast<std::size_t>(cells));
    }

    bool unused() const { return first.empty(); }

    // Stores the non-zero cells of a row. REQUIRES: this row was not stored before.
    void put(std::int64_t row, std::span<const float> cells) {
        const auto at = static_cast<std::size_t>(row);
        first[at] = std::ssize(values);
        for (std::size_t column = 0; column < cells.size(); ++column) {
            // A cell of -0 is stored like a non-zero cell, so that digests equal those of dense rows.
            if (std::bit_cast<std::uint32_t>(cells[column]) == 0) continue;
            columns.push_back(static_cast<std::uint32_t>(column));
            values.push_back(cells[column]);
        }
        size[at] = static_cast<std::uint32_t>(std::ssize(values) - first[at]);
    }

    // Writes the row with its zeros to `to` [stride].
    void expand(std::int64_t row, std::int64_t stride, float* to) const {
        const auto at = static_cast<std::size_t>(row);
        const auto begin = static_cast<std::size_t>(first[at]);
        std::fill_n(to, stride, 0.0F);
        for (std::size_t cell = begin; cell < begin + size[at]; ++cell) to[columns[cell]] = values[cell];
    }
};

}  // namespace ash
