# The thread sanitizer understands OpenMP's barriers and critical sections only through libomp's tool Archer. Two tests
# prove that the sanitizer works: it must report a race in a program, and must accept the same program with a guard.

get_filename_component(ash_libomp "${OpenMP_omp_LIBRARY}" REALPATH)
get_filename_component(ash_libomp_folder "${ash_libomp}" DIRECTORY)
find_library(ASH_ARCHER archer HINTS "${ash_libomp_folder}" NO_DEFAULT_PATH)
ash_require(ASH_ARCHER
    "ASH_SANITIZE=thread needs clang with libomp and its tool Archer: install them (Debian: apt-get install clang-19 libomp-19-dev) and set CXX=clang++-19.")

add_executable(planted_race planted_race.cpp)
target_link_libraries(planted_race PRIVATE ash_core ash_flags OpenMP::OpenMP_CXX)

add_test(NAME planted_race_is_found COMMAND planted_race)
set_tests_properties(planted_race_is_found PROPERTIES
    PASS_REGULAR_EXPRESSION "ThreadSanitizer: data race.*ash::Ladder::next")

add_test(NAME guarded_ladder_is_clean COMMAND planted_race guarded)
set_tests_properties(guarded_ladder_is_clean PROPERTIES
    PASS_REGULAR_EXPRESSION "Archer detected OpenMP application with TSan.*took 128 candidates"
    FAIL_REGULAR_EXPRESSION "ThreadSanitizer")

get_property(ash_all_tests DIRECTORY PROPERTY TESTS)
set_tests_properties(${ash_all_tests} PROPERTIES
    ENVIRONMENT "OMP_TOOL_LIBRARIES=${ASH_ARCHER};ARCHER_OPTIONS=verbose=1")
