# Oracle of the analysis: the Cox models, Kaplan-Meier medians and group tests of the paper's plan, by R's survival and stats.
# Usage: Rscript analyse_r.R FOLDER_WITH_analysis_patients.csv OUT.csv
# Wired independently of the program: factors by relevel(), entry by the smallest P of a covariate, models by formula.
suppressPackageStartupMessages(library(survival))
arguments <- commandArgs(trailingOnly = TRUE)
patients <- read.csv(file.path(arguments[1], "analysis_patients.csv"))
patients$grade <- relevel(factor(patients$grade), ref = "1")
patients$origin <- relevel(factor(ifelse(patients$origin == "pancreas", "pancreas", "other")), ref = "other")
labels <- c(grade2 = "grade 2 vs 1", grade3 = "grade 3 vs 1", originpancreas = "origin pancreas vs other", mad_gy = "mad per gy")
covariates <- c("grade", "origin", "mad_gy")
rows <- list()
keep <- function(endpoint, model, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(endpoint = endpoint, model = model, quantity = term, value = sprintf("%.15g", value))
}
keep_fit <- function(endpoint, model, fit) {
  s <- summary(fit)
  for (name in rownames(s$coefficients)) {
    keep(endpoint, model, paste(labels[[name]], "hr"), s$conf.int[name, "exp(coef)"])
    keep(endpoint, model, paste(labels[[name]], "lower"), s$conf.int[name, "lower .95"])
    keep(endpoint, model, paste(labels[[name]], "upper"), s$conf.int[name, "upper .95"])
    keep(endpoint, model, paste(labels[[name]], "p"), s$coefficients[name, "Pr(>|z|)"])
  }
}
for (endpoint in c("hepatic_pfs", "global_pfs", "os")) {
  outcome <- paste0("Surv(", endpoint, "_months, ", endpoint, "_event)")
  entered <- c()
  for (covariate in covariates) {
    fit <- coxph(as.formula(paste(outcome, "~", covariate)), data = patients, ties = "efron",
                 control = coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 100))
    keep_fit(endpoint, "univariate", fit)
    if (min(summary(fit)$coefficients[, "Pr(>|z|)"]) < 0.05) entered <- c(entered, covariate)
  }
  fit <- coxph(as.formula(paste(outcome, "~", paste(entered, collapse = " + "))), data = patients, ties = "efron",
               control = coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 100))
  keep_fit(endpoint, "multivariate", fit)
  curve <- quantile(survfit(as.formula(paste(outcome, "~ 1")), data = patients, conf.type = "log-log"), 0.5)
  keep(endpoint, "kaplan_meier", "median", curve$quantile)
  keep(endpoint, "kaplan_meier", "lower", curve$lower)
  keep(endpoint, "kaplan_meier", "upper", curve$upper)
  test <- survdiff(as.formula(paste(outcome, "~ grade")), data = patients)
  keep(endpoint, "log_rank", "chi2", test$chisq)
}
evaluable <- patients[patients$evaluable == 1, ]
counts <- table(evaluable$grade, evaluable$hepatic_responder)
trend <- prop.trend.test(counts[, "1"], rowSums(counts))
keep("groups", "grade_response_trend", "chi2", unname(trend$statistic))
keep("groups", "grade_response_trend", "p", trend$p.value)
rank <- kruskal.test(mad_gy ~ grade, data = patients)
keep("groups", "grade_mad", "h", unname(rank$statistic))
keep("groups", "grade_mad", "p", rank$p.value)
write.csv(do.call(rbind, rows), arguments[2], row.names = FALSE)
