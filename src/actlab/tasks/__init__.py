"""Where agents act: tasks in the graph, adapters to published suites, the checker."""
