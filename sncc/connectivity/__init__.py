"""Which neurons a connection joins: patterns and parts of populations, shared by the Model and the Program."""
