# SPDX-License-Identifier: MIT
# Every tests/fuzz/fuzz_NAME.c is a fuzz target when MSCOPE_FUZZ is on (preset fuzz), and otherwise a test that
# replays the committed corpus tests/fuzz/corpus/NAME, so that every crash once found stays fixed. A line
# "/* LINKS: a b */" near the top names the modules; without it the module NAME, or all if there is none.

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
foreach(source ${fuzz_sources})
    get_filename_component(target ${source} NAME_WE)
    string(REPLACE "fuzz_" "" name ${target})
    set(modules mscope_cli) # and all below it
    file(STRINGS ${source} links REGEX "^/\\* LINKS:" LIMIT_COUNT 1)
    if(links)
        string(REGEX REPLACE "^/\\* LINKS: *(.*) \\*/.*$" "\\1" links "${links}")
        string(REGEX REPLACE "([a-z]+) *" "mscope_\\1;" modules "${links}")
    elseif(TARGET mscope_${name})
        set(modules mscope_${name})
    endif()
    if(MSCOPE_FUZZ)
        add_executable(${target} ${source})
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
        target_link_libraries(${target} PRIVATE ${modules})
    elseif(MSCOPE_TESTS)
        add_executable(replay_${name} ${source} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
        target_link_libraries(replay_${name} PRIVATE ${modules})
        add_test(NAME fuzz/replay_${name}
            COMMAND replay_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
        set_tests_properties(fuzz/replay_${name} PROPERTIES TIMEOUT ${MSCOPE_TEST_SECONDS} SKIP_RETURN_CODE 77)
    endif()
endforeach()
