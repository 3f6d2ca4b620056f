// choices.hpp: turns fuzzed bytes into values. Most values are valid, and some are at or beyond a limit.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <new>
#include <stdexcept>
#include <vector>

#include "ash/model/settings.hpp"

namespace ash::fuzzing {

class Choices {
  public:
    Choices(const std::uint8_t* bytes, std::size_t size) : bytes_(bytes, size) {}

    bool rarely() { return below(32) == 31; }
    bool coin() { return below(2) == 1; }
    int below(int end) { return bytes_.ConsumeIntegralInRange(0, end - 1); }

    template <typename T, std::size_t kCount>
    T pick(const T (&options)[kCount]) {
        return options[static_cast<std::size_t>(below(static_cast<int>(kCount)))];
    }

    // Returns an arbitrary number of the type, often one of its limits.
    template <typename T>
    T integer() {
        if (coin()) return bytes_.ConsumeIntegral<T>();
        return pick({T{0}, T{1}, static_cast<T>(-1), std::numeric_limits<T>::max(), std::numeric_limits<T>::lowest()});
    }

    double number() {
        constexpr double kInfinity = std::numeric_limits<double>::infinity();
        if (coin()) return pick({0.0, -1.0, 1.0, 1e-320, 1e300, kInfinity, -kInfinity, kInfinity - kInfinity});
        return bytes_.ConsumeFloatingPointInRange(-2.0, 2.0);
    }

    template <typename Enum>
    Enum option(int count) {
        return static_cast<Enum>(below(count));
    }

    // Returns settings of a small network; sometimes a field is out of range.
    Settings settings() {
        Settings made;
        made.hidden.clear();
        made.activations.clear();
        for (int layer = below(3); layer > 0; --layer) {
            made.hidden.push_back(rarely() ? integer<int>() : pick({1, 3, 16, 17, 129}));
            made.activations.push_back(option<Activation>(8));
        }
        if (rarely()) made.activations.push_back(Activation::relu);
        made.optimizer = option<Optimizer>(5);
        made.learning_rate_schedule = option<LearningRateSchedule>(2);
        made.initialization = option<Initialization>(3);
        made.parametrization = option<Parametrization>(2);
        made.embedding = option<Embedding>(2);
        made.input_scaling = coin();
        made.parametric_activation = coin();
        made.batch_size = rarely() ? integer<std::int64_t>() : pick({0, 1, 5, 64});
        made.dropout = pick({0.0, 0.5, 0.0, 1.0 - 1e-9});
        made.label_smoothing = pick({0.0, 0.1, 1.0});
        constexpr std::array kFields{&Settings::embedding_frequency,
                                     &Settings::learning_rate,
                                     &Settings::momentum,
                                     &Settings::beta1,
                                     &Settings::beta2,
                                     &Settings::epsilon,
                                     &Settings::l2,
                                     &Settings::weight_decay,
                                     &Settings::dropout,
                                     &Settings::label_smoothing};
        if (below(4) == 3) made.*kFields[static_cast<std::size_t>(below(kFields.size()))] = number();
        return made;
    }

    std::vector<double> numbers(int count, bool strange) {
        std::vector<double> values;
        for (int i = 0; i < count; ++i) values.push_back(strange && below(8) == 7 ? number() : (i * 7919 % 101) / 50.0);
        return values;
    }

  private:
    FuzzedDataProvider bytes_;
};

// Returns whether a call was accepted, that is, threw none of the core's exceptions. Any other exception ends the
// process.
template <typename Call>
bool accepted(Call call) {
    try {
        call();
        return true;
    } catch (const std::logic_error&) {
    } catch (const std::runtime_error&) {
    } catch (const std::bad_alloc&) {
    }
    return false;
}

}  // namespace ash::fuzzing
