# What `cmake --install BUILD --component NAME --prefix DIR` lays out. The programs find website and
# model by where they lie themselves, so that the folder may be moved as a whole.
#
#   manager   bin/imgrec-manager, share/imgrec/frontend/
#   worker    bin/imgrec-worker, share/imgrec/models/cifar10-inception/
#   tools     bin/imgrec, bin/imgrec-model
#
# A component wants only its own programs built: an image of the manager compiles no LibTorch.
set(IMGREC_SHARE share/imgrec)

install(TARGETS imgrec-manager RUNTIME DESTINATION bin COMPONENT manager)
install(DIRECTORY frontend/ DESTINATION ${IMGREC_SHARE}/frontend COMPONENT manager
        PATTERN README.md EXCLUDE
        PATTERN package.json EXCLUDE)  # tells Node.js, for the tests, what the modules are

install(TARGETS imgrec RUNTIME DESTINATION bin COMPONENT tools)

set(installed_components manager tools)
if(IMGREC_TORCH)
  install(TARGETS imgrec-worker RUNTIME DESTINATION bin COMPONENT worker)
  install(TARGETS imgrec-model RUNTIME DESTINATION bin COMPONENT tools)
  install(DIRECTORY models/cifar10-inception DESTINATION ${IMGREC_SHARE}/models COMPONENT worker)
  list(APPEND installed_components worker)
endif()
foreach(component ${installed_components})
  install(FILES LICENSE DESTINATION share/doc/imgrec COMPONENT ${component})
endforeach()
