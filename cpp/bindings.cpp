// bindings.cpp: the native core for Python: a table of contents. python/ash/_core.pyi says the same in types.
#include "bindings/common.hpp"

// mod_gil_not_used: the promise of thread safety that free-threaded Python asks for; common.hpp says how it is kept.
PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
    ash::bindings::bind_ladder(m);
    ash::bindings::bind_clock(m);
    ash::bindings::bind_data(m);
    ash::bindings::bind_network(m);
    ash::bindings::bind_remote(m);
    ash::bindings::bind_tuner(m);
    ash::bindings::bind_simulator(m);
    ash::bindings::bind_functions(m);
}
