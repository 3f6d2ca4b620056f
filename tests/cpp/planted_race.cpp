// A program with one deliberate data race: four threads request jobs from one ladder without the critical section that
// ladder.hpp requires. The thread sanitizer must report this race in the core's code. `planted_race guarded` makes the
// requests inside the critical section and must pass. The program is built only with ASH_SANITIZE=thread; no other test
// needs it.
#include <cstdio>
#include <cstring>

#include "ash/search/ladder.hpp"

namespace {

constexpr int kThreads = 4;
constexpr int kJobsPerThread = 32;

int ask(ash::Ladder& ladder, bool guarded) {
    int taken = 0;
    if (guarded) {
#pragma omp critical(ladder)
        taken = ladder.next().has_value() ? 1 : 0;
    } else {
        taken = ladder.next().has_value() ? 1 : 0;
    }
    return taken;
}

}  // namespace

int main(int argc, char** argv) {
    const bool guarded = argc > 1 && std::strcmp(argv[1], "guarded") == 0;
    ash::Ladder ladder(ash::LadderSettings{.candidates = kThreads * kJobsPerThread});
    int taken = 0;
#pragma omp parallel num_threads(kThreads) default(none) shared(ladder) firstprivate(guarded) reduction(+ : taken)
    for (int i = 0; i < kJobsPerThread; ++i) {
        taken += ask(ladder, guarded);
    }
    std::printf("took %d candidates\n", taken);
    return 0;
}
