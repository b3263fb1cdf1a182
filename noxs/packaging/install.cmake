# libnoxs on its own, for guests and backends of others: `cmake --install <build> --component noxs`. Archives and headers
# lie in folders of their own, because names such as `base` belong to nobody in /usr.

include(CMakePackageConfigHelpers)

set(NOXS_INSTALL_INCLUDE ${CMAKE_INSTALL_INCLUDEDIR}/chaos)
set(NOXS_INSTALL_LIB ${CMAKE_INSTALL_LIBDIR}/noxs)
set(NOXS_INSTALL_CMAKE ${CMAKE_INSTALL_LIBDIR}/cmake/noxs)

install(TARGETS noxs hypervisor base ARCHIVE DESTINATION ${NOXS_INSTALL_LIB} COMPONENT noxs)
foreach(folder noxs base)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${NOXS_INSTALL_INCLUDE} COMPONENT noxs
          FILES_MATCHING PATTERN "*.hpp"
          PATTERN packaging EXCLUDE PATTERN uplink EXCLUDE PATTERN forward EXCLUDE)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/hypervisor/hypervisor.hpp ${PROJECT_SOURCE_DIR}/hypervisor/data_lane.hpp
        DESTINATION ${NOXS_INSTALL_INCLUDE}/hypervisor COMPONENT noxs)

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/noxsConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/noxsConfig.cmake
  INSTALL_DESTINATION ${NOXS_INSTALL_CMAKE} PATH_VARS NOXS_INSTALL_INCLUDE NOXS_INSTALL_LIB)
write_basic_package_version_file(
  ${CMAKE_CURRENT_BINARY_DIR}/noxsConfigVersion.cmake VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/noxsConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/noxsConfigVersion.cmake
        DESTINATION ${NOXS_INSTALL_CMAKE} COMPONENT noxs)

# Relative to the .pc file, so that a staged or moved tree works.
file(RELATIVE_PATH NOXS_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" NOXS_PC_PREFIX ${NOXS_PC_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/noxs.pc.in ${CMAKE_CURRENT_BINARY_DIR}/noxs.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/noxs.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT noxs)
