#include "ash/run/store.hpp"

#include <algorithm>
#include <utility>

namespace ash {
namespace {

using Bytes = std::shared_ptr<std::atomic<std::int64_t>>;

// Counts a number of bytes as held while this object exists.
class Counted {
  public:
    Counted(Bytes total, std::int64_t bytes) : total_(std::move(total)), bytes_(bytes) {}
    ~Counted() {
        if (total_) *total_ -= bytes_;
    }
    Counted(Counted&& other) noexcept = default;  // sets total_ of `other` to null
    Counted& operator=(Counted&&) = delete;

  private:
    Bytes total_;
    std::int64_t bytes_;
};

struct CountedState {
    CountedState(Counted bytes, State made) : counted(std::move(bytes)), state(std::move(made)) {}

    Counted counted;  // declared before the state, so that it outlives the state
    State state;
};

}  // namespace

std::int64_t state_bytes(const Layout& layout, Optimizer optimizer) {
    const int arenas = optimizer == Optimizer::sgd ? 1 : optimizer >= Optimizer::adam ? 3 : 2;
    return layout.size() * arenas * static_cast<std::int64_t>(sizeof(float));
}

std::shared_ptr<State> StateStore::add(std::int32_t candidate, std::int64_t bytes, const std::function<State()>& make) {
    Counted counted = [&] {
        const std::lock_guard lock(mutex_);
        make_room(bytes);
        peak_ = std::max(peak_, bytes_->fetch_add(bytes) + bytes);
        return Counted(bytes_, bytes);
    }();
    const auto made = std::make_shared<CountedState>(std::move(counted), make());
    const std::shared_ptr<State> state(made, &made->state);
    const std::lock_guard lock(mutex_);
    held_.insert_or_assign(candidate, Held{state, false, waiting_.end()});
    return state;
}

std::shared_ptr<State> StateStore::resume(std::int32_t candidate) {
    std::shared_ptr<State> state;
    {
        const std::lock_guard lock(mutex_);
        const auto found = held_.find(candidate);
        if (found == held_.end()) return nullptr;
        stop_waiting(found->second);
        state = found->second.state;
        if (!found->second.published) return state;
    }
    const std::int64_t floats = state->weights.size() + state->first_moment.size() + state->second_moment.size();
    return add(candidate, floats * static_cast<std::int64_t>(sizeof(float)), [&] { return *state; });
}

std::shared_ptr<const State> StateStore::publish(std::int32_t candidate) {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(candidate);
    if (found == held_.end() || found->second.waiting != waiting_.end()) return nullptr;
    found->second.published = true;
    return found->second.state;
}

std::shared_ptr<const State> StateStore::share(std::int32_t candidate, std::int32_t rung) {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(candidate);
    if (found == held_.end() || found->second.waiting == waiting_.end()) return nullptr;
    if (found->second.waiting->rung != rung) return nullptr;
    found->second.published = true;
    return found->second.state;
}

void StateStore::wait(std::int32_t rung, const Entry& entry) {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(entry.candidate);
    if (found == held_.end() || found->second.waiting != waiting_.end()) return;
    found->second.waiting = waiting_.insert({rung, entry}).first;
    make_room(0);
}

void StateStore::release(std::int32_t candidate) {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(candidate);
    if (found == held_.end()) return;
    stop_waiting(found->second);
    held_.erase(found);
}

MemoryUse StateStore::use() const {
    const std::lock_guard lock(mutex_);
    return {.limit = limit_, .peak_bytes = peak_, .held_bytes = *bytes_, .dropped = dropped_};
}

void StateStore::make_room(std::int64_t bytes) {
    for (auto each = waiting_.begin(); limit_ > 0 && *bytes_ + bytes > limit_ && each != waiting_.end();) {
        const auto held = held_.find(each->entry.candidate);
        if (held->second.state.use_count() > 1) {  // also held outside the store, so dropping it would free no bytes
            ++each;
            continue;
        }
        held_.erase(held);
        each = waiting_.erase(each);
        ++dropped_;
    }
}

void StateStore::stop_waiting(Held& held) {
    if (held.waiting != waiting_.end()) waiting_.erase(held.waiting);
    held.waiting = waiting_.end();
}

}  // namespace ash
