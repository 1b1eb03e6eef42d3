# The structs of the Kafka protocol's messages, made of the table src/server/kafka/messages.txt.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(kafka_messages ${CMAKE_BINARY_DIR}/generated/server/kafka_messages)
add_custom_command(
  OUTPUT ${kafka_messages}.inc ${kafka_messages}.cpp
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated/server
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/kafka_messages.py ${CMAKE_SOURCE_DIR}/src/server/kafka/messages.txt ${kafka_messages}
  DEPENDS ${CMAKE_SOURCE_DIR}/tools/kafka_messages.py ${CMAKE_SOURCE_DIR}/src/server/kafka/messages.txt
  VERBATIM)
add_custom_target(millrace_kafka_messages DEPENDS ${kafka_messages}.inc ${kafka_messages}.cpp)
