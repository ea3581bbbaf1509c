"""Statistics, figures and the HTML report; reads run folders only."""
