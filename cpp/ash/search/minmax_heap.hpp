// minmax_heap.hpp: a double-ended priority queue, which returns both the best and the worst element.
//
//     level 0                best                       even levels: no descendant is better
//     level 1       worst?         worst?               odd levels:  no descendant is worse
//     level 2      .      .        .      .
//                                                       the children of i are 2i + 1 and 2i + 2
//
// Source:      Atkinson, Sack, Santoro, Strothotte, Min-Max Heaps and Generalized Priority Queues, Communications of
//              the ACM 29 (10), 1986.
// Order:       Better(a, b) returns whether a ranks before b. It must be a strict weak order. If the order is total,
//              the returned elements do not depend on the order of insertion.
// Invariants:  (1) an element on an even level is no worse than any of its descendants, and an element on an odd level
//                  is no better;
//              (2) so the best is element 0, and the worst is element 1 or 2, or element 0 if it is the only one.
// Threads:     not thread-safe.
// Cost:        push and pop O(log n), best and worst O(1). No memory beyond the elements.

#pragma once

#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

namespace ash {

template <typename T, typename Better>
class MinMaxHeap {
  public:
    bool empty() const { return all_.empty(); }
    std::size_t size() const { return all_.size(); }

    // REQUIRES for best(), worst(), pop_best() and pop_worst(): the heap is not empty.
    const T& best() const { return all_.front(); }
    const T& worst() const { return all_[worst_place()]; }

    void push(const T& element) {
        all_.push_back(element);
        const std::size_t place = all_.size() - 1;
        if (place == 0) return;
        const std::size_t parent = (place - 1) / 2;
        // The parent is on the opposite kind of level (even or odd). If the parent and the new element are out of
        // order, they are swapped, and the new element rises on the parent's kind of level. Otherwise it rises on
        // its own kind of level.
        const bool even = on_even_level(place);
        if (before(even, all_[parent], all_[place])) {
            std::swap(all_[parent], all_[place]);
            rise(parent, !even);
        } else {
            rise(place, even);
        }
    }

    T pop_best() { return pop(0); }
    T pop_worst() { return pop(worst_place()); }

  private:
    static bool on_even_level(std::size_t place) { return std::bit_width(place + 1) % 2 == 1; }

    // Returns whether a belongs nearer to the root than b. even: whether they are compared as elements of an even
    // level.
    static bool before(bool even, const T& a, const T& b) { return even ? Better{}(a, b) : Better{}(b, a); }

    std::size_t worst_place() const {
        if (all_.size() < 3) return all_.size() - 1;
        return Better{}(all_[1], all_[2]) ? 2 : 1;
    }

    T pop(std::size_t place) {
        const T taken = all_[place];
        const T last = all_.back();
        all_.pop_back();
        if (place < all_.size()) sink(place, on_even_level(place), last);
        return taken;
    }

    // Swaps an element with its grandparent until the two are in order. even: whether the element is on an even level.
    void rise(std::size_t place, bool even) {
        while (place > 2) {
            const std::size_t grandparent = ((place - 1) / 2 - 1) / 2;
            if (!before(even, all_[place], all_[grandparent])) return;
            std::swap(all_[place], all_[grandparent]);
            place = grandparent;
        }
    }

    // Puts the element into the hole or below it. Elements that belong above the element move up into the hole, usually
    // from a grandchild's place.
    void sink(std::size_t hole, bool even, T element) {
        for (std::size_t next = first_below(hole, even); next != hole; next = first_below(hole, even)) {
            if (!before(even, all_[next], element)) break;
            all_[hole] = all_[next];
            // A child of the hole comes first only if it has no children, or only equal ones. So sinking ends there.
            const bool child = next <= 2 * hole + 2;
            hole = next;
            if (child) break;
            T& parent = all_[(hole - 1) / 2];
            if (before(even, parent, element)) std::swap(parent, element);
        }
        all_[hole] = element;
    }

    // Returns the place of the child or grandchild that comes first in the order of before(), or `place` if there are
    // none. A child that has children need not be examined, since none of its children comes after it.
    std::size_t first_below(std::size_t place, bool even) const {
        const std::size_t child = 2 * place + 1;
        const std::size_t grandchild = 4 * place + 3;
        if (grandchild + 3 < all_.size()) {
            return first(first(grandchild, grandchild + 1, even), first(grandchild + 2, grandchild + 3, even), even);
        }
        std::size_t found = child < all_.size() ? child : place;
        if (child + 1 < all_.size()) found = first(found, child + 1, even);
        for (std::size_t i = grandchild; i < all_.size(); ++i) found = first(found, i, even);
        return found;
    }

    // Returns whichever of the two places has the element that comes first. Multiplies instead of branching, since the
    // branch would be unpredictable.
    std::size_t first(std::size_t a, std::size_t b, bool even) const {
        return a + (b - a) * static_cast<std::size_t>(before(even, all_[b], all_[a]));
    }

    std::vector<T> all_;
};

}  // namespace ash
