"""Pictures by matplotlib, one module each. They draw what ash/history has computed; methods of results call them."""
