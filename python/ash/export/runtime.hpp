// The code that every exported header contains: types first, then functions. ash/export/cpp.py splits it at the line
// "data" to insert the data of the model, wraps everything in a namespace, and leaves out the lines for other models.

inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kUnknown = -1.0;  // an unseen level

namespace detail {

enum class Activation { identity, relu, sigmoid, tanh, gelu, silu, selu, mish };

enum class Part { whole, month, weekday, day, hour, year, day_of_year };  // part of a date; whole for other cells

#if ZONES
// A time zone: the offsets of local time from UTC, before the first start and after each start. All are in ticks, which
// are tenths of a millisecond.
struct Zone {
    std::size_t count;
    const double* starts;   // [count], ascending, since 1970-01-01 UTC
    const double* offsets;  // [count + 1]
};
#endif

struct Column {
    std::size_t source;  // index of the cell in a row
    Part part;
    bool is_number;
    bool clips;     // whether a number is clipped to z / sqrt(1 + (z / 3)^2)
    double center;  // a number is scaled to z = (x - center) * inverse
    double inverse;
    const std::string_view* texts;  // [levels], the sorted levels of a category
    const double* values;           // [levels], the sorted levels of a number
    std::size_t levels;
    const float* table;  // [levels + 2][width], the features of each level, of missing cells and of unknown levels
#if UNSCALED
    const double* unscaled;  // [levels + 2][width], the same features unscaled
#endif
#if ENCODINGS
    const double* const* encoded;  // [encodings], the unscaled features in each encoding; null if they are all equal
#endif
    std::size_t width;
#if ZONES
    const Zone* zone;  // the zone in which a part of a date is taken, or null
#endif
};

#if SCALINGS
// The scaling of a feature for networks that do not use the scaling of the columns.
struct Scaling {
    bool clips;
    double center;
    double inverse;
};

#endif
// Computes features from the targets of the training rows that are nearest to a row: k means and a closeness.
struct Neighbors {
    std::size_t count;         // number of distinct training rows; 0 if the model has no neighbor features
    const double* center;      // [columns]
    const double* inverse;     // [columns]
    const double* rows;        // [count][columns], the scaled distinct rows
    const double* weights;     // [count]
    const double* deviations;  // [count][targets]
    const double* priors;      // [targets]
    std::size_t targets;
    const Column* features;  // [targets + 1], the scaling of the features
};

// Computes f(y) with y = x weights + biases; if it has shares a, it computes (1 - a) y + a f(y).
struct Layer {
    Activation activation;
    std::size_t inputs;
    std::size_t outputs;
    const float* weights;  // [inputs][outputs]
    const float* biases;   // [outputs]
    const float* shares;   // [outputs], or null
};

// Appends bias[d] + sum over k of mix[k][d] cos(2 pi (frequency[k] x + phase[k])) for each number x to the features.
struct Embedding {
    std::size_t count;
    const std::size_t* numbers;  // [count], the indices of the features that are embedded
    const float* frequency;      // [16][count]
    const float* phase;          // [16][count]
    const float* mix;            // [16][3][count]
    const float* bias;           // [3][count]
};

struct Member {
    double weight;
    Embedding embedding;
    std::size_t depth;
    const Layer* layers;  // [depth]
    const double* mean;   // [outputs], the mean of each target
    const double* scale;  // [outputs], the scale of each target
    const double* least;  // [outputs], the lower bound of each target
    const double* most;   // [outputs], the upper bound of each target
    bool exponential;     // whether targets are mean * exp(scale * x) instead of scale * x + mean
#if SCALINGS
    const Scaling* scaling;  // [features], or null for the scaling of the columns
#endif
#if ENCODINGS
    std::size_t encoding;
#endif
};

#if TREES
// A row goes to the left child if its feature is at most the threshold; for NaN, missing_left decides.
#if LEVELS
// In a node with levels, it goes left if its feature is one of them.
#endif
struct Node {
    double threshold;
    std::int32_t feature;
    std::int32_t left;  // if at least 0, a node of the same tree, else its leaf ~left
    std::int32_t right;
    bool missing_left;
#if LEVELS
    std::int32_t first_level;  // the range of the node's levels in Trees::levels
    std::int32_t last_level;
#endif
};

// Each output is the sum of the leaves of its trees. Tree t adds to output t % kOutputs; for two classes to the second.
struct Trees {
    double weight;
    std::size_t count;
    const std::size_t* starts;  // [count + 1], the first leaf of each tree; the nodes of tree t start at starts[t] - t
    const Node* nodes;          // null if no tree has a node
    const double* leaves;
#if LEVELS
    const std::int32_t* levels;  // the numbers of levels, ascending in each node
#endif
    const double* mean;   // [outputs], the mean of each target
    const double* scale;  // [outputs], the scale of each target or logit
    const double* least;
    const double* most;
    bool exponential;
#if ENCODINGS
    std::size_t encoding;
#endif
};

#endif
}  // namespace detail

// == data ==

using Row = std::array<double, kColumns>;      // numbers, dates (see `date`) and levels (see `level`), or kMissing
using Outputs = std::array<double, kOutputs>;  // probabilities, or targets in their own units

// Returns the index of a column, or kColumns if no column has this name.
constexpr std::size_t column(std::string_view name) noexcept {
    for (std::size_t place = 0; place < kColumnNames.size(); ++place) {
        if (kColumnNames[place] == name) return place;
    }
    return kColumns;
}

// Returns the number of a category's level from its UTF-8 text; kUnknown for an unseen level, kMissing for a gap.
inline double level(std::size_t column, std::string_view text) noexcept {
    for (const detail::Column& each : detail::kTable) {
        if (each.source != column || each.texts == nullptr) continue;
        const std::string_view* last = each.texts + each.levels;
        const std::string_view* found = std::lower_bound(each.texts, last, text);
        if (found != last && *found == text) return static_cast<double>(found - each.texts);
        return std::find(detail::kGaps.begin(), detail::kGaps.end(), text) != detail::kGaps.end() ? kMissing : kUnknown;
    }
    return kUnknown;
}

// Returns the cell of a date: the days since 1970-01-01, plus the hours as a fraction of a day. For a
// column of times with a time zone, the date and the hours are those in UTC.
// Source: H. Hinnant, days_from_civil.
constexpr double date(int year, int month, int day, double hours = 0.0) noexcept {
    const int shifted = month <= 2 ? year - 1 : year;
    const int era = (shifted >= 0 ? shifted : shifted - 399) / 400;
    const int of_era = shifted - 400 * era;
    const int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int days = 365 * of_era + of_era / 4 - of_era / 100 + of_year;
    return static_cast<double>(146097 * era + days - 719468) + hours / 24.0;
}

// Returns the index of the predicted class. It has the largest product of probability and decision weight, or the
// largest output if there are no decision weights; ties go to the first.
inline std::size_t decide(const Outputs& outputs) noexcept {
#if WEIGHED
    Outputs weighed{};
    for (std::size_t o = 0; o < kOutputs; ++o) weighed[o] = outputs[o] * kDecisionWeights[o];
    return static_cast<std::size_t>(std::max_element(weighed.begin(), weighed.end()) - weighed.begin());
#else
    return static_cast<std::size_t>(std::max_element(outputs.begin(), outputs.end()) - outputs.begin());
#endif
}

namespace detail {

using Features = std::array<float, kFeatures>;
using Values = std::array<float, kWidest>;
#if UNSCALED
#if LEVELS
using Unscaled = std::array<double, kFeatures + kCategories>;
#else
using Unscaled = std::array<double, kFeatures>;
#endif
#endif

inline constexpr double kLargest = static_cast<double>(std::numeric_limits<float>::max());
inline constexpr float kTwoPi = 6.28318531F;

inline std::size_t code_of(const Column& column, double cell) noexcept {
    const std::size_t unknown = column.levels + 1;
    if (std::isnan(cell)) return column.levels;
    if (!column.is_number) {
        const bool is_level = cell >= 0.0 && cell < static_cast<double>(column.levels) && cell == std::floor(cell);
        return is_level ? static_cast<std::size_t>(cell) : unknown;
    }
    const double* last = column.values + column.levels;
    const double* found = std::lower_bound(column.values, last, cell);
    return found != last && *found == cell ? static_cast<std::size_t>(found - column.values) : unknown;
}

// Returns a part of a date, as a number or as the number of a level. Source: H. Hinnant, civil_from_days.
inline double part_of(Part part, double days) noexcept {
    if (part == Part::whole || std::isnan(days)) return days;
    const double whole = std::floor(std::clamp(days, -719468.0, 1e8));  // the formulas need dates from year 0 on
    if (part == Part::hour) return (days - std::floor(days)) * 24.0;
    const std::int64_t shifted = static_cast<std::int64_t>(whole) + 719468;
    if (part == Part::weekday) return static_cast<double>((shifted + 2) % 7);
    const std::int64_t of_era = shifted % 146097;
    const std::int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const std::int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    const std::int64_t month = (5 * of_year + 2) / 153;
    if (part == Part::year || part == Part::day_of_year) {
        const std::int64_t civil = 400 * (shifted / 146097) + year + (month < 10 ? 0 : 1);
        if (part == Part::year) return static_cast<double>(civil);
        const std::int64_t before = civil + 399;  // the years before this one, plus 400: not negative in year 0
        const std::int64_t first = 365 * before + before / 4 - before / 100 + before / 400 - 146097;
        return static_cast<double>(shifted - first - 305);
    }
    if (part == Part::day) return static_cast<double>(of_year - (153 * month + 2) / 5 + 1);
    return static_cast<double>(month < 10 ? month + 2 : month - 10);
}

#if ZONES
// Returns the days since 1970-01-01 on the wall clock of a zone.
inline double local(const Zone& zone, double days) noexcept {
    constexpr double kTicks = 864000000.0;  // per day
    if (std::isnan(days)) return days;
    const double ticks = std::nearbyint(days * kTicks);
    const double* start = std::upper_bound(zone.starts, zone.starts + zone.count, ticks);
    const double shifted = ticks + zone.offsets[start - zone.starts];
    const double whole = std::floor(shifted / kTicks);
    return whole + (shifted - whole * kTicks) / kTicks;
}

#endif
#if SCALINGS
template <typename Scaled>  // Column or Scaling
inline float scaled(const Scaled& column, double cell) noexcept {
#else
inline float scaled(const Column& column, double cell) noexcept {
#endif
    if (std::isnan(cell)) return 0.0F;
    const double z = (cell - column.center) * column.inverse;
    const float narrow = static_cast<float>(std::clamp(z, -kLargest, kLargest));
    if (!column.clips) return narrow;
    const float y = std::clamp(narrow * (1.0F / 3.0F), -0x1p30F, 0x1p30F);
    return 3.0F * (y / std::sqrt(1.0F + y * y));
}

// Returns a number scaled as in the distances to neighbors.
inline double placed(double cell, double center, double inverse) noexcept {
    if (std::isnan(cell)) return 0.0;
    const double z = std::clamp((cell - center) * inverse, -0x1p30, 0x1p30);
    return z / std::sqrt(1.0 + (z / 3.0) * (z / 3.0));
}

using Nearest = std::array<std::pair<double, std::size_t>, kNearest>;  // squared distances and rows, sorted

inline void insert(Nearest& nearest, double square, std::size_t row) noexcept {
    std::size_t at = kNearest;
    for (; at > 0 && square < nearest[at - 1].first; --at) {
        if (at < kNearest) nearest[at] = nearest[at - 1];
    }
    if (at < kNearest) nearest[at] = {square, row};
}

inline Nearest nearest_of(const Row& row) noexcept {
    Row place{};
    for (std::size_t i = 0; i < kColumns; ++i) place[i] = placed(row[i], kNeighbors.center[i], kNeighbors.inverse[i]);
    Nearest found;
    found.fill({std::numeric_limits<double>::infinity(), 0});
    for (std::size_t other = 0; other < kNeighbors.count; ++other) {
        double square = 0.0;
        for (std::size_t i = 0; i < kColumns; ++i) {
            const double difference = kNeighbors.rows[other * kColumns + i] - place[i];
            square += difference * difference;
        }
        insert(found, square, other);
    }
    return found;
}

// Writes the neighbor features, if the model has any.
#if UNSCALED
inline void put_neighbors(const Row& row, float* features, double* unscaled) noexcept {
#else
inline void put_neighbors(const Row& row, float* features) noexcept {
#endif
    if (kNeighbors.count == 0) return;
    const Nearest found = nearest_of(row);
    const double furthest = found.back().first + kSoft;
    const std::size_t targets = kNeighbors.targets;
    double total = 1.0;
    double least = std::numeric_limits<double>::infinity();
    std::array<double, kOutputs> sums{};
    for (const auto& [square, other] : found) {
        const double share = furthest / (square + kSoft) - 1.0;
        if (kNeighbors.weights[other] > 0.0) least = std::min(least, square);
        total += share * kNeighbors.weights[other];
        for (std::size_t t = 0; t < targets; ++t) sums[t] += share * kNeighbors.deviations[other * targets + t];
    }
#if UNSCALED
    for (std::size_t t = 0; t < targets; ++t) unscaled[t] = kNeighbors.priors[t] + sums[t] / total;
    unscaled[targets] = 1.0 / (1.0 + std::sqrt(std::sqrt(least)));
    for (std::size_t t = 0; t <= targets; ++t) features[t] = scaled(kNeighbors.features[t], unscaled[t]);
#else
    for (std::size_t t = 0; t < targets; ++t) {
        *features++ = scaled(kNeighbors.features[t], kNeighbors.priors[t] + sums[t] / total);
    }
    *features = scaled(kNeighbors.features[targets], 1.0 / (1.0 + std::sqrt(std::sqrt(least))));
#endif
}

#if UNSCALED
inline bool encode(const Row& row, float* features, double* unscaled) noexcept {
#else
inline bool encode(const Row& row, float* features) noexcept {
#endif
#if LEVELS
    double* numbers = unscaled + kFeatures;
#endif
    for (const Column& column : kTable) {
#if ZONES
        const double moment = column.zone == nullptr ? row[column.source] : local(*column.zone, row[column.source]);
        const double cell = part_of(column.part, moment);
#else
        const double cell = part_of(column.part, row[column.source]);
#endif
        const std::size_t code = code_of(column, cell);
        if (kRefusesMissing && code == column.levels) return false;
        if (column.is_number) {
            if (std::fabs(cell) > kLargest) return false;
            *features++ = scaled(column, cell);
#if UNSCALED
            *unscaled++ = cell;
#endif
        } else if (kRefusesUnknown && code > column.levels) {
            return false;
        }
#if LEVELS
        if (column.texts != nullptr) *numbers++ = static_cast<double>(code);
#endif
        const float* from = column.table + code * column.width;
        for (std::size_t i = 0; i < column.width; ++i) *features++ = from[i];
#if UNSCALED
        unscaled = std::copy_n(column.unscaled + code * column.width, column.width, unscaled);
#endif
    }
#if UNSCALED
    put_neighbors(row, features, unscaled);
#else
    put_neighbors(row, features);
#endif
    return true;
}

#if ENCODINGS
// Replaces the unscaled features that differ between encodings by those of another encoding.
inline void encode_again(const Row& row, std::size_t encoding, Unscaled& unscaled) noexcept {
    double* features = unscaled.data();
    for (const Column& column : kTable) {
        if (column.is_number) ++features;
        if (column.encoded != nullptr) {
            const std::size_t code = code_of(column, part_of(column.part, row[column.source]));
            std::copy_n(column.encoded[encoding] + code * column.width, column.width, features);
        }
        features += column.width;
    }
}

#endif
// Appends the values of an embedding to the features.
inline void embed(const Embedding& embedding, float* features) noexcept {
    const std::size_t count = embedding.count;
    if (count == 0) return;
    float* values = features + kFeatures;
    for (std::size_t i = 0; i < 3 * count; ++i) values[i] = embedding.bias[i];
    for (std::size_t k = 0; k < 16; ++k) {
        for (std::size_t i = 0; i < count; ++i) {
            const float x = features[embedding.numbers[i]];
            const float turns = std::fma(embedding.frequency[k * count + i], x, embedding.phase[k * count + i]);
            const float cosine = std::cos(kTwoPi * (turns - std::round(turns)));
            for (std::size_t d = 0; d < 3; ++d) {
                values[d * count + i] += embedding.mix[(k * 3 + d) * count + i] * cosine;
            }
        }
    }
}

inline float sigmoid(float x) noexcept {
    const float small = std::exp(-std::fabs(x));
    return (x >= 0.0F ? 1.0F : small) / (1.0F + small);
}

inline float value_of(Activation activation, float x) noexcept {
    switch (activation) {
        case Activation::identity:
            return x;
        case Activation::relu:
            return x > 0.0F ? x : 0.0F;
        case Activation::sigmoid:
            return sigmoid(x);
        case Activation::tanh:
            return std::tanh(x);
        case Activation::gelu:
            return 0.5F * x * (1.0F + std::tanh(0.797884561F * (x + 0.044715F * x * x * x)));
        case Activation::silu:
            return x * sigmoid(x);
        case Activation::selu:
            return 1.05070099F * (x > 0.0F ? x : 1.67326324F * std::expm1(x));
        case Activation::mish:
            return x * std::tanh(std::log1p(std::exp(x)));
    }
    return x;
}

inline void apply(const Layer& layer, const float* x, float* y) noexcept {
    for (std::size_t o = 0; o < layer.outputs; ++o) y[o] = layer.biases[o];
    const float* weights = layer.weights;
    for (std::size_t i = 0; i < layer.inputs; ++i, weights += layer.outputs) {
        const float factor = x[i];
        if (factor == 0.0F) continue;  // most one-hot features are 0
        for (std::size_t o = 0; o < layer.outputs; ++o) y[o] += factor * weights[o];
    }
    if (layer.activation == Activation::identity) return;
    for (std::size_t o = 0; o < layer.outputs; ++o) {
        const float value = value_of(layer.activation, y[o]);
        y[o] = layer.shares == nullptr ? value : (1.0F - layer.shares[o]) * y[o] + layer.shares[o] * value;
    }
}

inline void softmax(const float* logits, Outputs& outputs) noexcept {
    const float most = *std::max_element(logits, logits + kOutputs);
    double sum = 0.0;
    for (std::size_t o = 0; o < kOutputs; ++o) {
        outputs[o] = std::exp(static_cast<double>(logits[o] - most));
        sum += outputs[o];
    }
    for (double& output : outputs) output /= sum;
}

inline void add(const Member& member, const Features& features, Outputs& total) noexcept {
    Values one{};
    Values two{};
    float* x = one.data();
    float* y = two.data();
    std::copy(features.begin(), features.end(), x);
    embed(member.embedding, x);
    for (std::size_t place = 0; place < member.depth; ++place) {
        apply(member.layers[place], x, y);
        std::swap(x, y);
    }
    Outputs outputs{};
    if (kClassifies) softmax(x, outputs);
    for (std::size_t o = 0; o < kOutputs; ++o) {
        if (!kClassifies) {
            const double value = static_cast<double>(x[o]) * member.scale[o];
            outputs[o] = member.exponential ? std::exp(value) * member.mean[o] : value + member.mean[o];
            outputs[o] = std::clamp(outputs[o], member.least[o], member.most[o]);
        }
        total[o] += member.weight * outputs[o];
    }
}

#if TREES
inline double leaf_of(const Trees& trees, std::size_t tree, const Unscaled& features) noexcept {
    const std::size_t start = trees.starts[tree];
    const Node* nodes = trees.nodes + (start - tree);
    std::int32_t at = trees.starts[tree + 1] - start == 1 ? -1 : 0;
    while (at >= 0) {
        const Node& node = nodes[at];
        const double x = features[static_cast<std::size_t>(node.feature)];
#if LEVELS
        if (node.first_level != node.last_level) {
            const std::int32_t* first = trees.levels + node.first_level;
            const std::int32_t* last = trees.levels + node.last_level;
            at = std::binary_search(first, last, static_cast<std::int32_t>(x)) ? node.left : node.right;
            continue;
        }
#endif
        at = x <= node.threshold || (node.missing_left && std::isnan(x)) ? node.left : node.right;
    }
    return trees.leaves[start + static_cast<std::size_t>(~at)];
}

inline void add(const Trees& trees, const Unscaled& features, Outputs& total) noexcept {
    constexpr std::size_t kFirst = kClassifies && kOutputs == 2 ? 1 : 0;
    Outputs outputs{};
    for (std::size_t tree = 0; tree < trees.count; ++tree) {
        outputs[kFirst + tree % (kOutputs - kFirst)] += leaf_of(trees, tree, features);
    }
    if (kClassifies) {
        std::array<float, kOutputs> logits{};
        for (std::size_t o = 0; o < kOutputs; ++o) outputs[o] += trees.mean[o];
        const double most = *std::max_element(outputs.begin(), outputs.end());
        for (std::size_t o = 0; o < kOutputs; ++o) {
            logits[o] = static_cast<float>(std::max(trees.scale[o] * (outputs[o] - most), -1000.0));
        }
        softmax(logits.data(), outputs);
    }
    for (std::size_t o = 0; o < kOutputs; ++o) {
        if (!kClassifies) {
            const double value = outputs[o] * trees.scale[o];
            outputs[o] = trees.exponential ? std::exp(value) * trees.mean[o] : value + trees.mean[o];
            outputs[o] = std::clamp(outputs[o], trees.least[o], trees.most[o]);
        }
        total[o] += trees.weight * outputs[o];
    }
}

#endif
}  // namespace detail

// Predicts a row and returns true; returns false and leaves the outputs unchanged if the row is refused.
inline bool predict(const Row& row, Outputs& outputs) noexcept {
    Row cells = row;
    for (double& cell : cells) {
        if (detail::kInfiniteIsMissing && std::isinf(cell)) cell = kMissing;
    }
    detail::Features features{};
#if UNSCALED
    detail::Unscaled unscaled{};
    if (!detail::encode(cells, features.data(), unscaled.data())) return false;
#else
    if (!detail::encode(cells, features.data())) return false;
#endif
    Outputs total{};
#if ENCODINGS
    std::size_t encoding = detail::kFirstEncoding;
#endif
#if SCALINGS
    const detail::Scaling* scaling = nullptr;  // networks are ordered by their scaling, those with null first
    for (const detail::Member& member : detail::kMembers) {
        if (member.scaling != scaling) {
            scaling = member.scaling;
#if ENCODINGS
            if (member.encoding != encoding) detail::encode_again(cells, encoding = member.encoding, unscaled);
#endif
            for (std::size_t i = 0; i < features.size(); ++i) features[i] = detail::scaled(scaling[i], unscaled[i]);
        }
        detail::add(member, features, total);
    }
#else
    for (const detail::Member& member : detail::kMembers) detail::add(member, features, total);
#endif
#if TREES
    for (double& x : unscaled) {
        if (std::fabs(x) <= detail::kNearlyZero) x = 0.0;
    }
#if ENCODINGS
    for (const detail::Trees& trees : detail::kTrees) {
        if (trees.encoding != encoding) {
            detail::encode_again(cells, encoding = trees.encoding, unscaled);
            for (double& x : unscaled) x = std::fabs(x) <= detail::kNearlyZero ? 0.0 : x;
        }
        detail::add(trees, unscaled, total);
    }
#else
    for (const detail::Trees& trees : detail::kTrees) detail::add(trees, unscaled, total);
#endif
#endif
    outputs = total;
    return true;
}
