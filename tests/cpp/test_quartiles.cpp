// Compares medians and quartiles with two plain definitions (repeated rows, means of a step function), and tests the
// sample.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "ash/data/quartiles.hpp"

namespace {

using namespace ash;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::array kShares{0.25, 0.5, 0.75};
using Values = std::vector<double>;

// The center and scale of a column, and whether it is constant.
struct Found {
    double center;
    double scale;
    bool constant;
};

Found found_in(const Values& values, const Values& weights = {}) {
    Quartiles quartiles({true}, std::ssize(values));
    for (std::size_t row = 0; row < values.size(); ++row) {
        quartiles.add(&values[row], weights.empty() ? 1.0 : weights[row]);
    }
    const Scaling scaling = quartiles.scaling();
    CHECK(scaling.limit[0] == kClip);
    return {scaling.center[0], scaling.scale[0], quartiles.constant(0)};
}

// Returns the quantile by NumPy's method "linear". Missing values are left out, and each other value is repeated as
// often as its weight.
double linear(const Values& values, const Values& weights, double p) {
    Values rows;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isnan(values[i])) rows.insert(rows.end(), static_cast<std::size_t>(weights[i]), values[i]);
    }
    std::ranges::sort(rows);
    const double place = p * static_cast<double>(rows.size() - 1);
    const auto low = static_cast<std::size_t>(std::floor(place));
    const std::size_t high = std::min(low + 1, rows.size() - 1);
    return rows[low] + (place - std::floor(place)) * (rows[high] - rows[low]);
}

// Returns the quantile as defined in quartiles.hpp. The mean of x(t) is the difference of two integrals from t = 0.
double mean_of_steps(Values values, const Values& weights, double p) {
    std::vector<std::size_t> order;
    double total = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (std::isnan(values[i])) continue;
        order.push_back(i);
        total += weights[i];
    }
    std::ranges::sort(order, std::less<>(), [&](std::size_t i) { return values[i]; });
    const double unit = std::min(1.0, total / static_cast<double>(order.size()));
    const auto integral = [&](double end) {
        double sum = 0.0;
        for (const std::size_t i : order) {
            sum += values[i] * std::clamp(end, 0.0, weights[i]);
            end -= weights[i];
        }
        return sum;
    };
    return (integral(p * (total - unit) + unit) - integral(p * (total - unit))) / unit;
}

Found expected_of(const Values& values, const Values& weights, const auto& quantile) {
    Values quartiles;
    for (const double p : kShares) quartiles.push_back(quantile(values, weights, p));
    const auto [least, most] = std::ranges::minmax_element(
        values, std::less<>(), [](double value) { return std::isnan(value) ? 0.0 : value; });
    const double distance = quartiles[2] - quartiles[0];
    if (distance > 1e-14) return {quartiles[1], distance, false};
    Values others;  // distances from the mode; missing at the mode itself
    for (const double value : values) {
        others.push_back(std::abs(value - quartiles[1]) > 1e-14 ? std::abs(value - quartiles[1]) : kNan);
    }
    const bool none = std::ranges::all_of(others, [](double each) { return std::isnan(each); });
    return {quartiles[1], none ? (*most - *least) / 2.0 : quantile(others, weights, 0.5), false};
}

void check_equal(const Found& found, const Found& expected) {
    CHECK(found.center == doctest::Approx(expected.center).epsilon(1e-12));
    CHECK(found.scale == doctest::Approx(expected.scale).epsilon(1e-12));
}

// Returns random values of both signs, of which every fifth is missing.
Values random_values(std::size_t size, std::mt19937_64& random) {
    std::normal_distribution<double> normal;
    Values values{-3.0, 0.0, 2.0};
    while (values.size() < size) values.push_back(values.size() % 5 == 4 ? kNan : std::exp(normal(random)) - 1.0);
    std::ranges::shuffle(values, random);
    return values;
}

// Returns random values as above, of which about five in six are replaced by the mode 0.25.
Values spiked_values(std::size_t size, std::mt19937_64& random) {
    Values values = random_values(size, random);
    for (double& value : values) value = random() % 6 == 0 ? value : 0.25;
    values.front() = -3.0;
    values.back() = 2.0;
    return values;
}

std::int64_t size_of(std::int64_t columns, std::int64_t rows) {
    return std::min(rows, std::clamp<std::int64_t>((1 << 22) / columns, 1 << 11, 1 << 14));
}

}  // namespace

TEST_CASE("quantiles are interpolated linearly, and integer weights equal repeated rows") {
    std::mt19937_64 random(1);
    for (std::size_t size = 3; size < 60; ++size) {
        const Values values = random_values(size, random);
        Values weights(size, 1.0);
        check_equal(found_in(values), expected_of(values, weights, linear));
        for (std::size_t row = 0; row < size; ++row) weights[row] = 1.0 + static_cast<double>(random() % 4);
        check_equal(found_in(values, weights), expected_of(values, weights, linear));
        const Values spiked = spiked_values(size, random);
        check_equal(found_in(spiked), expected_of(spiked, Values(size, 1.0), linear));
        check_equal(found_in(spiked, weights), expected_of(spiked, weights, linear));
    }
}

TEST_CASE("with arbitrary weights, a quantile is the mean over one unit of weight") {
    std::mt19937_64 random(2);
    std::uniform_real_distribution<double> uniform(0.01, 4.0);
    for (std::size_t size = 3; size < 60; ++size) {
        const Values values = random_values(size, random);
        Values weights;
        for (std::size_t row = 0; row < size; ++row) weights.push_back(uniform(random));
        check_equal(found_in(values, weights), expected_of(values, weights, mean_of_steps));
        const Values spiked = spiked_values(size, random);
        check_equal(found_in(spiked, weights), expected_of(spiked, weights, mean_of_steps));
        for (const double alike : {0.5, 1e-12}) check_equal(found_in(values, Values(size, alike)), found_in(values));
        Values fewer = values;  // a row with a negligible weight counts like a missing row
        fewer[size / 2] = kNan;
        weights[size / 2] = 1e-15;
        const Found with = found_in(values, weights);
        CHECK(with.center == doctest::Approx(found_in(fewer, weights).center).epsilon(1e-9));
    }
}

TEST_CASE("if the quartiles are equal, the scale is the median distance of the other values from the mode") {
    Values values(1816, 1.0);
    values.insert(values.end(), 171, 0.0);
    for (const double far : {666.0, 1e30, -9999.0}) {  // far-out values change nothing
        values.insert(values.end(), 1, far);
        CHECK(found_in(values).center == 1.0);
        CHECK(found_in(values).scale == 1.0);
    }
    Values counts(300, 0.0);
    for (int row = 0; row < 60; ++row) counts.push_back(row % 3 == 0 ? 1.0 : 4.0 + row);
    const Found found = found_in(counts);
    for (const double factor : {1000.0, -1.0, 0x1p-60}) {
        Values multiplied = counts;
        for (double& value : multiplied) value *= factor;
        CHECK(found_in(multiplied).scale == std::abs(factor) * found.scale);
    }
    CHECK(found_in(Values{0.0, 9999.0, 0.0, 9999.0, 9999.0, 9999.0, 9999.0, 9999.0, 9999.0}).scale == 9999.0);
    CHECK(found_in({2.0, 2.0, 2.0, 2.0, 3.0}, {8.0, 1.0, 1.0, 1.0, 1.0}).scale == 1.0);
}

TEST_CASE("one huge value moves the scale at most to the next distance from the mode") {
    std::mt19937_64 random(4);
    for (int turn = 0; turn < 50; ++turn) {
        Values values = spiked_values(120, random);
        Values distances;
        for (const double value : values) {
            if (std::abs(value - 0.25) > 0.0) distances.push_back(std::abs(value - 0.25));
        }
        std::ranges::sort(distances);
        values.push_back(1e30);
        const double after = found_in(values).scale;
        CHECK(after >= distances[(distances.size() - 1) / 2]);
        CHECK(after <= distances[distances.size() / 2 + 1]);
    }
}

TEST_CASE("with two values, the scale is their distance; a constant column is not scaled") {
    Values values(100, 7.0);
    CHECK(found_in(values).constant);
    CHECK(found_in(values, Values(100, 0.3)).center == 7.0);
    CHECK(found_in(values).scale == 1.0);
    values[13] = kNan;
    CHECK(found_in(values).constant);
    values[14] = 17.0;
    for (const Values& weights : {Values{}, Values(100, 0.7), Values(100, 3.0)}) {
        const Found found = found_in(values, weights);
        CHECK_FALSE(found.constant);
        CHECK(found.center == 7.0);
        CHECK(found.scale == 10.0);
    }
    for (std::size_t row = 0; row < 100; ++row) values[row] = row % 2 == 0 ? -1.0 : 7.0;
    CHECK(found_in(values).center == 3.0);
    CHECK(found_in(values).scale == 8.0);
    CHECK(found_in({kNan, kNan}).constant);
    CHECK(found_in({kNan, kNan}).center == 0.0);
    CHECK(found_in({kNan, kNan}).scale == 1.0);
    CHECK(found_in({kNan, -4.0}).constant);
    CHECK(found_in({kNan, -4.0}).center == -4.0);
}

TEST_CASE("an outlier does not change the scale, and a spread without a finite inverse gives a scale of 1") {
    Values values;
    for (int row = 0; row < 1001; ++row) values.push_back(row - 500.0);
    const Found before = found_in(values);
    CHECK(before.center == 0.0);
    CHECK(before.scale == 500.0);
    values[1000] = 3e38;
    CHECK(found_in(values).center == before.center);
    CHECK(found_in(values).scale == before.scale);
    CHECK(found_in({0.0, 1e-320, 2e-320, 3e-320}).scale == 1.0);
    CHECK(found_in({0.0, 0.0, 0.0, 0.0, 5e-324}).scale == 1.0);
    CHECK_FALSE(found_in({0.0, 0.0, 0.0, 0.0, 5e-324}).constant);
    CHECK(found_in({-3e38, 0.0, 3e38}).scale == doctest::Approx(3e38));
}

TEST_CASE("only the selected columns are scaled") {
    Quartiles quartiles({false, true, false}, 3);
    for (const double value : {1.0, 2.0, 5.0}) {
        const Values row{value, 10.0 * value, 4.0};
        quartiles.add(row.data(), 1.0);
    }
    const Scaling scaling = quartiles.scaling();
    CHECK(scaling.center == Values{0.0, 20.0, 0.0});
    CHECK(scaling.scale == Values{1.0, 20.0, 1.0});
    CHECK(scaling.limit == Values{0.0, 3.0, 0.0});
    CHECK_FALSE(quartiles.constant(0));
    CHECK(quartiles.constant(2));
}

TEST_CASE("a sample has one row of each stratum, and all rows if there are few") {
    for (const std::int64_t rows : {1LL, 5LL, 16384LL, 16385LL, 50000LL, 4294967294LL}) {
        const std::int64_t size = size_of(100, rows);
        std::int64_t moved = 0;
        for (std::int64_t stratum = 0; stratum < size; ++stratum) {
            const std::int64_t row = Quartiles::sampled_row(stratum, size, rows);
            const std::int64_t first = stratum * rows / size;
            CHECK((row >= first && row < (stratum + 1) * rows / size));
            moved += row != first ? 1 : 0;
        }
        if (rows == size) CHECK(moved == 0);
        if (rows >= 3 * size) CHECK(moved > size / 2);
    }
}

TEST_CASE("quartiles of many rows come from the sample, range and constancy from all rows") {
    for (const bool weighted : {false, true}) {
        for (const std::int64_t columns : {1, 1024}) {
            const std::int64_t rows = columns == 1 ? 50000 : 5000;
            const std::int64_t size = size_of(columns, rows);
            CHECK(size < rows);
            Quartiles quartiles(std::vector<bool>(static_cast<std::size_t>(columns), true), rows);
            Values values;
            Values weights;
            Values row(static_cast<std::size_t>(columns), 1.0);
            std::int64_t next = 0;
            for (std::int64_t r = 0; r < rows; ++r) {
                row[0] = std::sin(static_cast<double>(r * r));
                const double weight = weighted ? 1.0 + static_cast<double>(r % 3) : 1.0;
                const bool sampled = r == Quartiles::sampled_row(next, size, rows);
                if (sampled) {
                    values.push_back(row[0]);
                    weights.push_back(weight);
                    ++next;
                }
                row.back() = columns > 1 && !sampled && r > rows / 2 ? 3.0 : row.back();
                quartiles.add(row.data(), weight);
                if (columns > 1) row.back() = 1.0;
            }
            const Scaling scaling = quartiles.scaling();
            check_equal({scaling.center[0], scaling.scale[0], false}, expected_of(values, weights, linear));
            if (columns == 1) continue;
            CHECK(quartiles.constant(1));
            CHECK_FALSE(quartiles.constant(1023));
            CHECK(scaling.center[1023] == 1.0);
            CHECK(scaling.scale[1023] == 1.0);  // half of the range, (3 - 1) / 2
        }
    }
}

TEST_CASE("ranks of quartiles of a sample are off by at most four standard deviations") {
    constexpr std::int64_t kRows = 100000;
    const double most = 4.0 * std::sqrt(0.25 / (1 << 14));
    std::mt19937_64 random(3);
    std::cauchy_distribution<double> cauchy;
    const std::vector<std::function<double(std::int64_t)>> columns{
        [](std::int64_t row) { return static_cast<double>(row); },      // sorted values
        [](std::int64_t row) { return static_cast<double>(row % 6); },  // periodic values
        [&](std::int64_t) { return cauchy(random); },                   // far tails
        [&](std::int64_t row) { return row % 100 == 0 ? cauchy(random) : kNan; },
    };
    for (const auto& column : columns) {
        Values values;
        for (std::int64_t row = 0; row < kRows; ++row) values.push_back(column(row));
        const Found found = found_in(values);
        std::erase_if(values, [](double value) { return std::isnan(value); });
        std::ranges::sort(values);
        const double off = most * std::sqrt(static_cast<double>(kRows) / static_cast<double>(std::ssize(values)));
        const auto at = [&](double p) {
            return values[static_cast<std::size_t>(p * static_cast<double>(values.size()))];
        };
        CHECK((found.center >= at(0.5 - off) && found.center <= at(0.5 + off)));
        CHECK(found.scale >= at(0.75 - off) - at(0.25 + off));
        CHECK(found.scale <= at(0.75 + off) - at(0.25 - off));
    }
}

TEST_CASE("a column whose values are all missing in the sample is centered at the middle of its range") {
    constexpr std::int64_t kRows = 40000;
    Quartiles quartiles({true}, kRows);
    std::int64_t next = 0;
    for (std::int64_t row = 0; row < kRows; ++row) {
        const bool sampled = row == Quartiles::sampled_row(next, size_of(1, kRows), kRows);
        next += sampled ? 1 : 0;
        const double value = sampled ? kNan : 10.0 + static_cast<double>(row % 3);
        quartiles.add(&value, 1.0);
    }
    CHECK(quartiles.scaling().center[0] == 11.0);
    CHECK(quartiles.scaling().scale[0] == 1.0);
    CHECK_FALSE(quartiles.constant(0));
}
