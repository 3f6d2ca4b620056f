// parallel.hpp: the two OpenMP constructs of the core; no other file has a pragma of OpenMP.
//
//     parallel(threads, body)     body(0) .. body(threads - 1), each once, on at most `threads` threads; 1 thread: here
//     in_critical_section(body)   body(), while no other thread of the process is in here
//
// Errors:  nothing escapes a construct, which OpenMP forbids. The first exception of any kind is kept, on_failure() is
//          called so that the others can be told to stop, and the exception goes on outside.
// Threads: the number is said at each region, never by omp_set_num_threads, which would change the host's own regions.
//          Should OpenMP grant fewer (OMP_THREAD_LIMIT, OMP_DYNAMIC), a thread runs several bodies, one after the
//          other; so a body must not wait for a later one to begin.
//          libgomp keeps a pool of threads for every thread that has opened a region, and a fork leaves its child with
//          a pool without threads, at which the child's next region hangs. So a region is opened by a thread of its
//          own, with which the pool ends; the caller sleeps meanwhile.
// Cost:    a region of two threads: 150 us with libgomp, 50 us with libomp; where other processes hold the cores, up to
//          10 ms with libgomp, which spins at the end of a region (not with OMP_WAIT_POLICY=passive). So not for short
//          work. An uncontended critical section: some 10 ns; its lock is one for the whole process.

#pragma once

#include <exception>
#include <thread>
#include <utility>

namespace ash {

template <typename Body>
void in_critical_section(Body&& body) {
    std::exception_ptr thrown;
#pragma omp critical(ash_ladder)
    {
        try {
            body();
        } catch (...) {
            thrown = std::current_exception();
        }
    }
    if (thrown) std::rethrow_exception(thrown);
}

// on_failure() must not throw; any number of threads may call it.
template <typename Body, typename OnFailure>
void parallel(int threads, Body&& body, OnFailure&& on_failure) {
    std::exception_ptr first;
    const auto guarded = [&](int thread) noexcept {
        try {
            body(thread);
        } catch (...) {
            in_critical_section([&] {
                if (!first) first = std::current_exception();
            });
            on_failure();
        }
    };
    const auto region = [&guarded, threads] {
#pragma omp parallel for num_threads(threads) schedule(static, 1) default(none) shared(guarded, threads)
        for (int thread = 0; thread < threads; ++thread) guarded(thread);
    };
    if (threads == 1) {
        guarded(0);
    } else {
        std::thread(region).join();
    }
    if (first) std::rethrow_exception(first);
}

template <typename Body>
void parallel(int threads, Body&& body) {
    parallel(threads, std::forward<Body>(body), [] {});
}

}  // namespace ash
