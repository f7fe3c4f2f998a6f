"""Steps that make or change rows with the help of the target model, one method a file."""
