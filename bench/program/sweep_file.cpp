#include "sweep_file.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>

#ifdef ASH_BENCH_SWEEP
asm(".pushsection .rodata\n"
    "ash_bench_sweep_begin:\n"
    ".incbin \"" ASH_BENCH_SWEEP
    "\"\n"
    "ash_bench_sweep_end:\n"
    ".popsection\n");

extern "C" {
extern const std::byte ash_bench_sweep_begin[];
extern const std::byte ash_bench_sweep_end[];
}
#endif

namespace ash::bench {
namespace {

static_assert(std::endian::native == std::endian::little, "a sweep file is little endian");

class Reader {
  public:
    explicit Reader(std::span<const std::byte> left) : left_(left) {}

    template <typename T>
    std::vector<T> values(std::int64_t count) {
        if (count < 0 || static_cast<std::size_t>(count) > left_.size() / sizeof(T)) {
            throw std::runtime_error("the sweep inside this program is cut off: build it again");
        }
        std::vector<T> values(static_cast<std::size_t>(count));
        if (count > 0) std::memcpy(values.data(), left_.data(), values.size() * sizeof(T));
        left_ = left_.subspan(values.size() * sizeof(T));
        return values;
    }

    std::int64_t integer() { return values<std::int64_t>(1)[0]; }
    double number() { return values<double>(1)[0]; }

    std::string text() {
        const std::vector<char> letters = values<char>(integer());
        return {letters.begin(), letters.end()};
    }

  private:
    std::span<const std::byte> left_;
};

Settings read_candidate(Reader& file) {
    Settings settings;
    const std::vector<std::int64_t> widths = file.values<std::int64_t>(file.integer());
    settings.hidden.assign(widths.begin(), widths.end());
    settings.activations.clear();
    for (std::size_t layer = 0; layer < widths.size(); ++layer) {
        settings.activations.push_back(parse<Activation>(file.text()));
    }
    settings.optimizer = parse<Optimizer>(file.text());
    settings.learning_rate_schedule = parse<LearningRateSchedule>(file.text());
    settings.initialization = parse<Initialization>(file.text());
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
    setting.name = file.text();
    setting.training = file.text() == "restart" ? Continuation::restart : Continuation::resume;
    const std::int64_t count = file.integer();
    for (std::int64_t number = 0; number < count; ++number) setting.candidates.push_back(read_candidate(file));
    return setting;
}

Data read_data(Reader& file) {
    const std::vector<std::int64_t> shape = file.values<std::int64_t>(5);
    const std::vector<double> x = file.values<double>(shape[0] * shape[1]);
    const std::vector<double> y = file.values<double>(shape[0]);
    const std::vector<std::int64_t> training = file.values<std::int64_t>(shape[3]);
    const std::vector<std::int64_t> validation = file.values<std::int64_t>(shape[4]);
    const Table table{x.data(), y.data(), shape[0], static_cast<int>(shape[1]), 1, static_cast<int>(shape[2])};
    return {table, training, validation, true};
}

}  // namespace

Sweep read_sweep() {
#ifdef ASH_BENCH_SWEEP
    Reader file({ash_bench_sweep_begin, ash_bench_sweep_end});
#else
    throw std::runtime_error("this program was built without table and candidates: use python -m bench program");
    Reader file({});
#endif
    std::string origin = file.text();
    std::string table = file.text();
    Sweep sweep{std::move(origin), std::move(table), read_data(file), {}};
    const std::int64_t settings = file.integer();
    for (std::int64_t number = 0; number < settings; ++number) sweep.settings.push_back(read_setting(file));
    return sweep;
}

}  // namespace ash::bench
