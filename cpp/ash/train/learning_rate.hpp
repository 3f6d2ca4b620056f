// learning_rate.hpp: the factor on the learning rate during one job.
#pragma once

namespace ash {

// Returns cos(pi t) for t in [0, 1], computed as sin(pi (1/2 - t)) by its Taylor series up to x^17 (error below 1e-13).
// libm is not used, since the last bit of its cosine differs between versions, but a learning rate must be the same
// everywhere.
inline double cosine_of_half_turn(double t) {
    constexpr double kPi = 3.14159265358979323846;
    const double x = kPi * (0.5 - t);
    const double z = -x * x;
    double term = x;
    double sum = x;
    for (int n = 2; n <= 16; n += 2) {
        term *= z / (n * (n + 1));
        sum += term;
    }
    return sum;
}

// Returns the factor of the cosine cycle, from 1 at the first update down to almost 0 at the last (Loshchilov, Hutter:
// SGDR, arXiv 1608.03983). There is one cycle per job. share_done: the share of the job's updates already done.
inline double cycle(double share_done) { return 0.5 * (1.0 + cosine_of_half_turn(share_done)); }

}  // namespace ash
