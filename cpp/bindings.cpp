// bindings.cpp: the native core for Python: a table of contents. python/ash/_core.pyi says the same in types.
#include "bindings/common.hpp"

// mod_gil_not_used: the promise of thread safety that free-threaded Python asks for; common.hpp says how it is kept.
PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
    ash::bindings::bind_ladder(m);     // Job, Ladder
    ash::bindings::bind_clock(m);      // Task, Decision, Clock
    ash::bindings::bind_data(m);       // Settings, DataBuilder, Data
    ash::bindings::bind_network(m);    // Network: predictions, weights, pickles
    ash::bindings::bind_trees(m);      // Trees: boosted trees, likewise
    ash::bindings::bind_mailbox(m);    // Mailbox, train_job: jobs that are done elsewhere
    ash::bindings::bind_tuner(m);      // Tuner; restore.cpp has what a journal needs of it
    ash::bindings::bind_simulator(m);  // Cluster, simulate
    ash::bindings::bind_training(m);   // train, score; timing of steps; instruction sets and build
    ash::bindings::bind_guards(m);     // of all classes above; errors
}
