# Writes ash/build_info.hpp, which records how the binary was built, for users' bug reports.

set(ASH_COMMIT "unknown")
# Use only the repository that contains these sources. An unpacked archive may lie inside another repository.
if(EXISTS "${CMAKE_SOURCE_DIR}/.git")
    find_program(ASH_GIT git)
    mark_as_advanced(ASH_GIT)
    if(ASH_GIT)
        execute_process(COMMAND "${ASH_GIT}" rev-parse --verify --quiet HEAD WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
            OUTPUT_VARIABLE ash_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE ash_git_failed)
        if(NOT ash_git_failed)
            set(ASH_COMMIT "${ash_commit}")
        endif()
    endif()
endif()

string(TOUPPER "${CMAKE_BUILD_TYPE}" ash_build_type_upper)
string(JOIN " " ASH_FLAGS ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${ash_build_type_upper}} -std=c++20 -ffp-contract=off
    ${ash_sanitizer_flags_${ASH_SANITIZE}})
string(JOIN " " ASH_KERNEL_FLAGS_TEXT ${ASH_KERNEL_FLAGS})
set(ASH_GENERATED_DIR "${CMAKE_BINARY_DIR}/generated")
configure_file("${CMAKE_SOURCE_DIR}/cmake/build_info.hpp.in" "${ASH_GENERATED_DIR}/ash/build_info.hpp" @ONLY)
