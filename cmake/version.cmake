# SPDX-License-Identifier: MIT
# The commit is asked for at every build and lands in build/generated/version_commit.h only when it changed.

set(MSCOPE_GENERATED ${CMAKE_BINARY_DIR}/generated)
add_custom_target(mscope_commit
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUT=${MSCOPE_GENERATED}/version_commit.h
            -P ${CMAKE_SOURCE_DIR}/cmake/write_commit.cmake
    BYPRODUCTS ${MSCOPE_GENERATED}/version_commit.h
    VERBATIM)
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type_upper)
string(STRIP "${CMAKE_BUILD_TYPE} ${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${build_type_upper}}" MSCOPE_FLAGS)
