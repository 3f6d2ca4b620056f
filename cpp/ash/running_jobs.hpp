// running_jobs.hpp: for the simulator: which threads run which jobs, who helps whom, and which job ends first.
//
//     by size of the team   1: { (end, owner), (end, owner), ... }        the first of these firsts ends first;
//                           2: { (end, owner), ... }                      the last of each size are the candidates for
//                           5: { (end, owner) }                           who needs help most
//
// A job is a pile of seconds: a team of s threads takes 1 + (s - 1) * efficiency seconds off it a second. Among teams
// of one size the one that ends last has most left, whatever the time, so nothing is computed anew as time goes on:
// only who joins or leaves a job changes its end.
//
// Order:       ends by (end, owner), lowest first. Need: seconds left for each member, then the highest owner.
// Invariants:  (1) a thread owns at most one job, or helps at most one;
//              (2) a running job is in by_size_ once, under the number of its members and its present end.
// Threads:     none. Cost: O(log p + sqrt p) a change: p threads can form teams of at most sqrt(2 p) sizes.

#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace ash {

// Threads by number; the lowest is found at once as long as threads come and go at the low end.
class ThreadSet {
  public:
    explicit ThreadSet(int threads) : words_((static_cast<std::size_t>(threads) + 63) / 64) {}

    bool empty() const { return size_ == 0; }

    // REQUIRES: not in here.
    void insert(int thread) {
        const std::size_t word = static_cast<std::size_t>(thread) / 64;
        words_[word] |= bit(thread);
        first_ = std::min(first_, word);
        ++size_;
    }

    // REQUIRES: in here.
    void erase(int thread) {
        words_[static_cast<std::size_t>(thread) / 64] &= ~bit(thread);
        --size_;
    }

    // REQUIRES: not empty.
    int take_lowest() {
        while (words_[first_] == 0) ++first_;
        const int thread = static_cast<int>(first_ * 64) + std::countr_zero(words_[first_]);
        erase(thread);
        return thread;
    }

  private:
    static std::uint64_t bit(int thread) { return std::uint64_t{1} << (static_cast<unsigned>(thread) % 64); }

    std::vector<std::uint64_t> words_;
    std::size_t first_ = 0;  // no word before it has a thread
    std::size_t size_ = 0;
};

class RunningJobs {
  public:
    RunningJobs(int threads, double efficiency)
        : jobs_(static_cast<std::size_t>(threads)),
          places_(static_cast<std::size_t>(threads)),
          by_size_(static_cast<std::size_t>(threads) + 1),
          efficiency_(efficiency) {}

    // The job of the thread that owns it.
    struct Shared {
        double end = 0.0;    // if nobody joins or leaves
        double since = 0.0;  // when somebody last did
        int team = 0;        // most threads at once
        std::vector<int> helpers;
    };

    bool empty() const { return sizes_.empty(); }
    const Shared& job(int owner) const { return jobs_[static_cast<std::size_t>(owner)]; }

    void start(int owner, double now, double seconds) {
        Shared& own = at(owner);
        own.end = now + seconds;
        own.since = now;
        own.team = 1;
        own.helpers.clear();
        std::set<Key> one;
        one.emplace(own.end, owner);
        list(1, one.extract(one.begin()));
    }

    // Ends the job that ends first; returns whose it is. Its helpers can be read until the thread starts another.
    // REQUIRES: not empty.
    int end_first() {
        Key first = *of_size(sizes_.front()).begin();
        for (const int members : sizes_) first = std::min(first, *of_size(members).begin());
        const auto [end, owner] = first;
        busy_ += size(owner) * (end - job(owner).since);
        unlist(owner);
        return owner;
    }

    // REQUIRES: not empty.
    int neediest(double now) const {
        Key most{-1.0, -1};
        for (const int members : sizes_) {
            const auto& [end, owner] = *of_size(members).rbegin();
            most = std::max(most, {(end - now) * (rate(members) / members), owner});
        }
        return most.second;
    }

    void join(int thread, int owner, double now) {
        change(owner, now, [&](Shared& own) {
            places_[static_cast<std::size_t>(thread)] = {owner, own.helpers.size()};
            own.helpers.push_back(thread);
            own.team = std::max(own.team, size(owner));
        });
    }

    // REQUIRES: the thread helps.
    void leave(int thread, double now) {
        const Place place = places_[static_cast<std::size_t>(thread)];
        change(place.owner, now, [&](Shared& own) {
            own.helpers[place.index] = own.helpers.back();
            places_[static_cast<std::size_t>(own.helpers.back())].index = place.index;
            own.helpers.pop_back();
        });
    }

    // Seconds of all members until now, added up.
    double busy(double now) const {
        double sum = busy_;
        for (const int members : sizes_) {
            for (const auto& [end, owner] : of_size(members)) sum += members * (now - job(owner).since);
        }
        return sum;
    }

  private:
    using Key = std::pair<double, int>;  // end, owner
    using Node = std::set<Key>::node_type;
    struct Place {
        int owner = 0;
        std::size_t index = 0;
    };

    double rate(int members) const { return 1.0 + (members - 1) * efficiency_; }
    int size(int owner) const { return 1 + static_cast<int>(job(owner).helpers.size()); }
    Shared& at(int owner) { return jobs_[static_cast<std::size_t>(owner)]; }
    std::set<Key>& of_size(int members) { return by_size_[static_cast<std::size_t>(members)]; }
    const std::set<Key>& of_size(int members) const { return by_size_[static_cast<std::size_t>(members)]; }

    template <typename Edit>
    void change(int owner, double now, Edit edit) {
        Shared& own = at(owner);
        const double left = (own.end - now) * rate(size(owner));
        busy_ += size(owner) * (now - own.since);
        Node node = unlist(owner);
        edit(own);
        own.since = now;
        own.end = now + left / rate(size(owner));
        node.value() = {own.end, owner};
        list(size(owner), std::move(node));
    }

    void list(int members, Node node) {
        std::set<Key>& jobs = of_size(members);
        if (jobs.empty()) sizes_.push_back(members);
        jobs.insert(std::move(node));
    }

    Node unlist(int owner) {
        std::set<Key>& jobs = of_size(size(owner));
        Node node = jobs.extract({job(owner).end, owner});
        if (jobs.empty()) {
            *std::ranges::find(sizes_, size(owner)) = sizes_.back();
            sizes_.pop_back();
        }
        return node;
    }

    std::vector<Shared> jobs_;            // a thread each
    std::vector<Place> places_;           // a thread each: where it helps, if it does
    std::vector<std::set<Key>> by_size_;  // at the number of members
    std::vector<int> sizes_;              // those of by_size_ that are not empty
    double efficiency_;
    double busy_ = 0.0;  // up to the last time that somebody joined, left or ended
};

}  // namespace ash
