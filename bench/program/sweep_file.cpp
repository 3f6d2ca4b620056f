#include "sweep_file.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace ash::bench {
namespace {

static_assert(std::endian::native == std::endian::little, "a sweep file is little endian");

constexpr std::size_t kNameBytes = 16;
constexpr std::string_view kMagic = "ash sweep 1";

class Reader {
  public:
    explicit Reader(std::span<const std::byte> left) : left_(left) {}

    std::string name() {
        const std::span<const std::byte> bytes = take(kNameBytes);
        std::string text(kNameBytes, '\0');
        std::memcpy(text.data(), bytes.data(), kNameBytes);
        return text.substr(0, text.find('\0'));
    }

    template <typename T>
    T value() {
        T value;
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }

    template <typename T>
    std::vector<T> values(std::int64_t count) {
        if (count < 0 || static_cast<std::size_t>(count) > left_.size() / sizeof(T)) cut_off();
        std::vector<T> values(static_cast<std::size_t>(count));
        const std::span<const std::byte> bytes = take(values.size() * sizeof(T));
        std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(values)).begin());
        return values;
    }

    std::int64_t integer() { return value<std::int64_t>(); }
    double number() { return value<double>(); }
    bool at_end() const { return left_.empty(); }

  private:
    [[noreturn]] static void cut_off() { throw std::runtime_error("it is cut off"); }

    std::span<const std::byte> take(std::size_t count) {
        if (count > left_.size()) cut_off();
        const std::span<const std::byte> taken = left_.first(count);
        left_ = left_.subspan(count);
        return taken;
    }

    std::span<const std::byte> left_;
};

Settings read_candidate(Reader& file) {
    Settings settings;
    const std::vector<std::int64_t> widths = file.values<std::int64_t>(file.integer());
    settings.hidden.assign(widths.begin(), widths.end());
    settings.activations.clear();
    for (std::size_t layer = 0; layer < widths.size(); ++layer) {
        settings.activations.push_back(parse<Activation>(file.name()));
    }
    settings.optimizer = parse<Optimizer>(file.name());
    settings.learning_rate_schedule = parse<LearningRateSchedule>(file.name());
    settings.initialization = parse<Initialization>(file.name());
    for (double* number :
         {&settings.learning_rate, &settings.momentum, &settings.beta1, &settings.beta2, &settings.epsilon,
          &settings.l2, &settings.weight_decay, &settings.dropout, &settings.label_smoothing}) {
        *number = file.number();
    }
    settings.batch_size = file.integer();
    check(settings);
    return settings;
}

Setting read_setting(Reader& file) {
    Setting setting;
    setting.name = file.name();
    setting.training = file.name() == "restart" ? Continuation::restart : Continuation::resume;
    const std::int64_t count = file.integer();
    for (std::int64_t number = 0; number < count; ++number) setting.candidates.push_back(read_candidate(file));
    return setting;
}

Sweep read(Reader file) {
    if (file.name() != kMagic) throw std::runtime_error("it is none, or of another version");
    std::string table = file.name();
    const std::vector<std::int64_t> shape = file.values<std::int64_t>(6);
    const std::int64_t rows = shape[0];
    const std::int64_t features = shape[1];
    if (rows < 1 || features < 1 || rows > INT32_MAX || features > INT32_MAX) throw std::runtime_error("no table");
    const std::vector<double> x = file.values<double>(rows * features);
    const std::vector<double> y = file.values<double>(rows);
    const std::vector<std::int64_t> training = file.values<std::int64_t>(shape[3]);
    const std::vector<std::int64_t> validation = file.values<std::int64_t>(shape[4]);
    const Table given{x.data(), y.data(), rows, static_cast<int>(features), 1, static_cast<int>(shape[2])};
    Sweep sweep{std::move(table), Data(given, training, validation, true), {}};
    for (std::int64_t number = 0; number < shape[5]; ++number) sweep.settings.push_back(read_setting(file));
    if (!file.at_end()) throw std::runtime_error("it goes on behind its end");
    return sweep;
}

}  // namespace

const Setting& Sweep::setting(std::string_view name) const {
    const auto found = std::ranges::find(settings, name, &Setting::name);
    if (found == settings.end()) throw std::runtime_error("the sweep file has no setting " + std::string(name));
    return *found;
}

Sweep read_sweep(std::span<const std::byte> content) { return read(Reader(content)); }

Sweep read_sweep(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    if (!file || !content) throw std::runtime_error("cannot read " + path);
    try {
        return read_sweep(std::as_bytes(std::span(content.view())));
    } catch (const std::exception& error) {
        throw std::runtime_error(path + " is no sweep file: " + error.what());
    }
}

}  // namespace ash::bench
