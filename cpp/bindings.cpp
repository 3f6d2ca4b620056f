// bindings.cpp: defines the Python module of the native core. Each call below binds the functions and classes named
// beside it; python/ash/_core.pyi lists them with types.
#include "bindings/common.hpp"

// mod_gil_not_used: promises free-threaded Python that the module is thread-safe; common.hpp says how.
PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
    ash::bindings::bind_ladder(m);     // Job, Ladder
    ash::bindings::bind_search(m);     // Task, Decision, Clock
    ash::bindings::bind_data(m);       // Settings, DataBuilder, Data
    ash::bindings::bind_network(m);    // Network: predictions, weights, pickles
    ash::bindings::bind_trees(m);      // Trees: the same for boosted trees
    ash::bindings::bind_mailbox(m);    // Mailbox, train_job: jobs done in other processes
    ash::bindings::bind_tuner(m);      // Tuner; restore.cpp binds its functions for journals
    ash::bindings::bind_simulator(m);  // Cluster, simulate
    ash::bindings::bind_training(m);   // train, score; timing of steps; instruction sets and build
    ash::bindings::bind_guards(m);     // guards for all classes above; errors
}
