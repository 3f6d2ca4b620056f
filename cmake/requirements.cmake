# Checks what the build needs: a compiler for C++20 and OpenMP. If one is missing, the error says what to install.

# The leading space keeps CMake from wrapping the sentence.
function(ash_require variable sentence)
    if(NOT ${variable})
        message(FATAL_ERROR " ${sentence}")
    endif()
endfunction()

# check_language tries the compiler in a separate project, so that CMake's long error about a broken compiler is not
# shown.
include(CheckLanguage)
check_language(CXX)
ash_require(CMAKE_CXX_COMPILER
    "ash needs a working C++20 compiler and none was found: install g++ >= 12 or clang >= 14 (Debian and Ubuntu: apt-get install g++), or name one by the environment variable CXX.")
enable_language(CXX)

set(ash_compiler "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
set(ash_compiler_is_new_enough ON)
if((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
   OR (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
   OR NOT "cxx_std_20" IN_LIST CMAKE_CXX_COMPILE_FEATURES)
    set(ash_compiler_is_new_enough OFF)
endif()
ash_require(ash_compiler_is_new_enough
    "ash needs a C++20 compiler and ${CMAKE_CXX_COMPILER} is ${ash_compiler}: install g++ >= 12 or clang >= 14, or name one by the environment variable CXX.")

find_package(OpenMP QUIET COMPONENTS CXX)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(ash_openmp_package "the libgomp of this g++ (Debian and Ubuntu: apt-get install g++)")
else()
    set(ash_openmp_package "libomp (Debian and Ubuntu: apt-get install libomp-dev; macOS: brew install libomp)")
endif()
ash_require(OpenMP_CXX_FOUND "ash needs OpenMP and ${ash_compiler} has none: install ${ash_openmp_package}, or use g++ >= 12.")
