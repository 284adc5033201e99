# SPDX-License-Identifier: MIT
# What `make install` puts where: program, header, one static library of all modules, pkg-config file, man page.

# Every module below cli/ in one archive; programs outside this tree link with it alone.
set(MSCOPE_LIBRARY_MODULES base gguf kernels sample machine model token experts forward engine)
set(objects)
foreach(module ${MSCOPE_LIBRARY_MODULES})
    if(TARGET mscope_${module})
        list(APPEND objects $<TARGET_OBJECTS:mscope_${module}>)
    endif()
endforeach()
add_library(moescope_library STATIC ${objects})
set_target_properties(moescope_library PROPERTIES OUTPUT_NAME moescope LINKER_LANGUAGE C)
install(TARGETS moescope_library ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/moescope.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

file(RELATIVE_PATH MSCOPE_PC_TO_PREFIX
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" MSCOPE_PC_TO_PREFIX "${MSCOPE_PC_TO_PREFIX}")
if(CMAKE_DL_LIBS)
    set(MSCOPE_PC_DL "-l${CMAKE_DL_LIBS} ")
endif()
configure_file(cmake/package/moescope.pc.in moescope.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/moescope.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The program writes its own manual page, so it can only be made where the program runs.
if(TARGET moescope)
    install(TARGETS moescope RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/moescope)
    if(NOT CMAKE_CROSSCOMPILING)
        add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/moescope.1
            COMMAND moescope help --man > ${CMAKE_BINARY_DIR}/moescope.1.partial
            COMMAND ${CMAKE_COMMAND} -E rename ${CMAKE_BINARY_DIR}/moescope.1.partial
                    ${CMAKE_BINARY_DIR}/moescope.1
            DEPENDS moescope VERBATIM)
        add_custom_target(moescope_man ALL DEPENDS ${CMAKE_BINARY_DIR}/moescope.1)
        install(FILES ${CMAKE_BINARY_DIR}/moescope.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
        if(MSCOPE_TESTS)
            add_test(NAME install/example
                COMMAND sh ${CMAKE_SOURCE_DIR}/tests/install/test_example.sh)
            set_tests_properties(install/example PROPERTIES TIMEOUT ${MSCOPE_TEST_SECONDS} SKIP_RETURN_CODE 77
                ENVIRONMENT "MSCOPE_SOURCE=${CMAKE_SOURCE_DIR};MSCOPE_BUILD=${CMAKE_BINARY_DIR};MSCOPE_LIBDIR=${CMAKE_INSTALL_LIBDIR};CMAKE=${CMAKE_COMMAND};CC=${CMAKE_C_COMPILER};SANITIZE=${MSCOPE_SANITIZE}")
        endif()
    endif()
endif()
