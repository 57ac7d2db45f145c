"""One file for each page: the queries it needs and the template that renders them."""
