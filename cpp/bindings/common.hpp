// common.hpp: includes pybind11, which no other file does, and defines helpers shared by the binding files.
//
// Arguments are read while the GIL is held. The GIL is released for training, predictions, simulations, waiting and
// reading blocks of rows. While it is released, no Python object is touched: the caller's arguments keep inputs alive,
// and arrays for results were allocated beforehand.
// Exceptions:     std::invalid_argument -> ValueError, std::bad_alloc -> MemoryError, by pybind11. An interpreter's
//                 failure to allocate an object also becomes a MemoryError (guards.cpp).
// Free threading: objects are const after construction, except Ladder, Clock, Settings and DataBuilder (which have one
//                 owner), and Tuner and Mailbox (which have their own locks).
#pragma once

// The one definition rule requires that either all binding files include the casters of stl.h or none do.
#include <cxxabi.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ash/data/require.hpp"
#include "ash/search/ladder.hpp"
#include "ash/search/records.hpp"

namespace ash {
class Data;
}

namespace ash::bindings {

namespace py = pybind11;

// Arguments of this type are bound with noconvert(), so arrays of another dtype or memory order are refused. Arrays
// within a list, tuple or dict, and the embedding of a Network, are converted if their dtype can be cast safely.
// Unaligned arrays, such as those from another process, are copied.
template <typename T>
using Array = py::array_t<T, int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_}>;

// Converts a number to a shorter type. Throws std::invalid_argument if it does not fit.
template <typename T>
T narrow(std::int64_t value, const char* what) {
    require(std::in_range<T>(value), what);
    return static_cast<T>(value);
}

// Returns `places`, a number of threads, clock workers or jobs in flight. Throws std::invalid_argument unless it is
// from 1 to 2^16. options.py has the same limit (MOST_WORKERS).
inline int checked_places(int places, const char* what) {
    constexpr int kMost = 1 << 16;
    require(places >= 1 && places <= kMost, what);
    return places;
}

// Returns the seconds to wait, limited to a duration that clocks can represent.
inline double checked_seconds(double seconds) {
    constexpr double kLongest = 1e6;
    require(!std::isnan(seconds), "seconds: not a number");
    return std::clamp(seconds, 0.0, kLongest);
}

// Returns a new array with a copy of the values. pybind11's copying constructor is not used, since it would
// return a null array if NumPy were out of memory.
template <typename T>
Array<T> array(const T* values, py::array::ShapeContainer shape) {
    Array<T> copy(std::move(shape));
    std::copy_n(values, copy.size(), copy.mutable_data());
    return copy;
}

template <typename T>
Array<T> array(const std::vector<T>& values) {
    return array(values.data(), {std::ssize(values)});
}

// Returns one field of many rows as an array.
template <typename T, typename Row, typename Get>
py::array column(const std::vector<Row>& rows, Get get) {
    py::array_t<T> values(static_cast<py::ssize_t>(rows.size()));
    T* to = values.mutable_data();
    for (const Row& row : rows) *to++ = static_cast<T>(get(row));
    return values;
}

// Converts a value with several parts, such as a tuple, to Python. pybind11's own conversion of a return value raises
// TypeError if there is no memory for a part.
template <typename Value>
py::object made(const Value& value) {
    py::object whole = py::cast(value);
    if (!whole) throw py::error_already_set();
    return whole;
}

// Returns the values of an array in row-major order.
template <typename T>
std::span<const T> view(const Array<T>& values) {
    return {values.data(), static_cast<std::size_t>(values.size())};
}

// Makes a call to Python that may wait for the GIL. When CPython before 3.14 shuts down, it ends a waiting daemon
// thread by unwinding its stack, whose frames hold objects that must no longer be touched. This function makes the
// thread hang instead until the process has ended, as CPython does since 3.14.
template <typename Call>
auto or_hang(Call call) {
#ifdef __GLIBCXX__
    try {
        return call();
    } catch (abi::__forced_unwind&) {
        for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
#else
    return call();
#endif
}

// Releases the GIL while this object exists, so that other Python threads run while this thread is in the core.
class Released {
  public:
    Released() = default;
    Released(const Released&) = delete;
    Released& operator=(const Released&) = delete;
    ~Released() {
        released_.disarm();
        come_back();
    }

    void come_back() {
        or_hang([this] { PyEval_RestoreThread(state_); });
    }
    void leave() { PyEval_SaveThread(); }

  private:
    PyThreadState* state_ = PyThreadState_Get();
    py::gil_scoped_release released_;
};

// Holds the GIL again temporarily, in a thread that has released it.
class Back {
  public:
    explicit Back(Released& released) : released_(released) { released_.come_back(); }
    Back(const Back&) = delete;
    Back& operator=(const Back&) = delete;
    ~Back() { released_.leave(); }

  private:
    Released& released_;
};

// Holds the GIL in a thread of the core.
class Held {
  public:
    Held() {
        or_hang([this] { held_.emplace(); });
    }

  private:
    std::optional<py::gil_scoped_acquire> held_;
};

// Returns a constructor for py::init. After the constructor, pybind11 registers the new object, and a failed allocation
// during registration would not be caught. So some memory is reserved while the constructor runs and is freed
// afterwards.
template <typename Made, typename... Arguments>
auto with_room(Made (*make)(Arguments...)) {
    return [make](Arguments... arguments) {
        constexpr std::size_t kRoom = std::size_t{64} << 10;
        const std::unique_ptr<void, void (*)(void*)> room(::operator new(kRoom), [](void* p) { ::operator delete(p); });
        return make(std::forward<Arguments>(arguments)...);
    };
}

template <typename Enum>
Enum pick(const std::string& text, std::initializer_list<std::pair<const char*, Enum>> names) {
    for (const auto& [known, value] : names) {
        if (text == known) return value;
    }
    throw py::value_error("unknown name: " + text);
}

// Places and epochs of each rung; empty if they follow from the other settings.
using Rungs = std::vector<std::pair<std::int64_t, std::int64_t>>;

LadderSettings ladder_settings(std::int64_t candidates, std::int64_t eta, std::int64_t min_epochs,
                               std::int64_t max_rungs, const std::string& algorithm, const std::string& promotion,
                               std::int64_t max_total_epochs, double stop_score, std::int64_t patience,
                               std::int64_t report_limit = 0, const Rungs& rungs = {});

// Throws std::invalid_argument if there are no folds, or if a fold is None in Python.
void check_folds(const std::vector<std::shared_ptr<Data>>& data);

// Throws std::invalid_argument unless it is "greedy" or "reproducible".
Schedule schedule_of(const std::string& name);

// Returns Python's name for an ending, or null (None in Python) if the run has not ended.
const char* name(Ending ending);

// Returns one dict per rung, whose keys are the members of RungCounts.
py::list rung_rows(const std::vector<RungCounts>& rungs);

void bind_guards(py::module_& m);
void bind_ladder(py::module_& m);
void bind_search(py::module_& m);
void bind_data(py::module_& m);
void bind_network(py::module_& m);
void bind_trees(py::module_& m);
void bind_tuner(py::module_& m);
void bind_mailbox(py::module_& m);
void bind_simulator(py::module_& m);
void bind_training(py::module_& m);

}  // namespace ash::bindings
