// parallel.hpp: runs functions on threads. No other file has an OpenMP pragma.
//
//     parallel(threads, body)     calls body(0) .. body(threads - 1) in one OpenMP region; runs the tuner's threads
//     in_critical_section(body)   calls body() while no other thread of the process is in the section
//     on_threads(count, body)     calls body(0) .. body(count - 1), on as many separate threads as the system grants
//     startable(wanted)           returns how many of the wanted threads the system grants to a region
//
// Errors:  no exception leaves an OpenMP construct, since OpenMP forbids it. The first exception of any kind is kept
//          and rethrown after the construct. parallel() has a third argument, on_failure(), which it calls for each
//          exception, so that the other threads can be told to stop.
// Refusal: libgomp and libomp end the process if the system refuses a thread (RLIMIT_NPROC, pids.max, RLIMIT_AS). So
//          before a region opens, startable() starts as many threads as the region will have, all at once and with the
//          same stack size. Then it ends them and returns how many could be started. A race remains: another thread or
//          process may take the last slot in the microseconds before the region opens. on_threads() needs no such
//          probe: the calling thread runs the bodies for which no thread can be started.
// Threads: each region states its number of threads. omp_set_num_threads is never called, since it would change the
//          host's own regions. If OpenMP grants fewer threads (OMP_THREAD_LIMIT, OMP_DYNAMIC), a thread runs several
//          bodies one after the other, so a body must not wait for a later body to start. The same holds for
//          on_threads().
// Forks:   libgomp keeps a pool of threads for every thread that has opened a region. After a fork the child has a pool
//          without threads, on which its next region hangs. So each region is opened by a separate thread, which ends
//          with the region. A fork waits until no thread is in the critical section, and keeps threads out of it until
//          the fork is done. So the child does not inherit a lock held by a thread that does not exist there.
// Cost:    a region of two threads takes 150 us with libgomp and 50 us with libomp. If other processes hold the cores,
//          it takes up to 10 ms with libgomp, whose threads spin at the end of a region (unless
//          OMP_WAIT_POLICY=passive). So regions are unsuitable for short work. startable() and on_threads() take about
//          15 us per thread. An uncontended critical section takes about 20 ns; there is one lock for the whole
//          process.

#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace ash {

// Enter and leave the critical section. Forks wait while a thread is in the section.
void enter_critical_section() noexcept;
void leave_critical_section() noexcept;

template <typename Body>
void in_critical_section(Body&& body) {
    std::exception_ptr thrown;
    enter_critical_section();
#pragma omp critical(ash_ladder)
    {
        try {
            body();
        } catch (...) {
            thrown = std::current_exception();
        }
    }
    leave_critical_section();
    if (thrown) std::rethrow_exception(thrown);
}

// Returns whether the calling thread, which has just started, has the memory that it needs to throw exceptions. The
// system allocates this memory when a thread first throws, and ends the process if the allocation fails. So this
// function checks that memory is available, and then triggers the allocation in advance.
bool has_room() noexcept;

// Returns how many of the `wanted` threads can be started. One of them is the thread that opens the parallel
// region, since it is a new thread too. Returns 0 if not even that thread can be started.
int startable(int wanted);

// REQUIRES: the calling thread opens no other region and ends soon; startable() granted `threads` threads. on_failure()
// must not throw, and several threads may call it at once.
template <typename Body, typename OnFailure>
void parallel(int threads, Body&& body, OnFailure&& on_failure) {
    std::exception_ptr first;
    std::atomic<bool> lacks_room{false};
    const auto guarded = [&](int thread) noexcept {
        if (!has_room()) {
            lacks_room = true;
            on_failure();
            return;
        }
        try {
            body(thread);
        } catch (...) {
            in_critical_section([&] {
                if (!first) first = std::current_exception();
            });
            on_failure();
        }
    };
    if (threads == 1) {
        guarded(0);
    } else {
#pragma omp parallel for num_threads(threads) schedule(static, 1) default(none) shared(guarded, threads)
        for (int thread = 0; thread < threads; ++thread) guarded(thread);
    }
    if (lacks_room) throw std::bad_alloc();
    if (first) std::rethrow_exception(first);
}

template <typename Body>
void on_threads(int count, Body&& body) {
    std::mutex mutex;  // guards `first`
    std::exception_ptr first;
    std::atomic<bool> lacks_room{false};
    const auto guarded = [&](int number) noexcept {
        if (!has_room()) {
            lacks_room = true;
            return;
        }
        try {
            body(number);
        } catch (...) {
            const std::lock_guard lock(mutex);
            if (!first) first = std::current_exception();
        }
    };
    std::vector<std::thread> started;
    started.reserve(static_cast<std::size_t>(std::max(count - 1, 0)));
    int next = 0;
    try {
        for (; next < count - 1; ++next) started.emplace_back(guarded, next);
    } catch (const std::system_error&) {  // the remaining bodies run in this thread
    } catch (const std::bad_alloc&) {
    }
    for (; next < count; ++next) guarded(next);
    for (std::thread& thread : started) thread.join();
    if (lacks_room) throw std::bad_alloc();
    if (first) std::rethrow_exception(first);
}

}  // namespace ash
